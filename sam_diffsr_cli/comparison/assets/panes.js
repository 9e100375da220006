// The panes of one picture: what is built on the page for a mode, and the pixels in it.

// What is chosen for all pictures: labels by number, the mode, and how far differences are doubled.
const chosen = { left: 0, right: 1, mode: "slider", doublings: 3 };

function make(tag, className, parent, text = "") {
  const element = document.createElement(tag);
  element.className = className;
  element.textContent = text;
  if (parent) parent.append(element);
  return element;
}

// What each pane of the present mode holds, by label number: ``under``, ``over`` it up to the
// divider, or the difference to ``minus``.
function planPanes(labels) {
  const truth = labels.findIndex((label) => label.isTruth);
  if (chosen.mode === "slider") return [{ over: chosen.left, under: chosen.right }];
  if (chosen.mode === "all") return labels.map((_, under) => ({ under }));
  if (truth < 0) return [{ under: chosen.left, minus: chosen.right }];
  return labels.flatMap((label, under) => (label.isTruth ? [] : [{ under, minus: truth }]));
}

class Panes {
  constructor(parent, article, labels) {
    this.article = article;
    this.labels = labels;
    this.name = article.dataset.name;
    this.images = new Map();
    this.frames = [];
    this.divider = 0.5;
    this.drawing = 0;
    this.element = make("div", "panes", parent);
    this.element.tabIndex = 0;
    this.element.setAttribute("role", "group");
    this.element.setAttribute("aria-describedby", "keys");
    this.label();
  }

  get layers() {
    return this.frames.flatMap((frame) => frame.layers);
  }

  // Build the panes of a plan, without pixels.
  build(plan, columns, height) {
    const hadHandle = this.handle && this.handle === document.activeElement;
    this.drawing += 1;
    this.element.style.gridTemplateColumns = `repeat(${columns}, minmax(0, 1fr))`;
    this.element.replaceChildren();
    this.label();
    this.handle = null;
    this.frames = plan.map((part) => this.buildFrame(part, height));
    if (hadHandle && this.handle) this.handle.focus({ preventScroll: true });
  }

  label() {
    this.element.setAttribute("aria-label", this.describe());
  }

  describe() {
    const name = (index) => this.labels[index].label;
    if (chosen.mode === "slider") {
      return `${this.name}: ${name(chosen.left)} on the left, ${name(chosen.right)} on the right`;
    }
    if (chosen.mode === "all") return `${this.name}: all panels side by side`;
    return `${this.name}: differences`;
  }

  buildFrame(part, height) {
    const element = make("div", "frame", this.element);
    element.style.height = `${height}px`;
    const told = this.labels[part.under].label;
    const layers = [this.buildLayer(element, "layer under", part.under)];
    if (part.over === undefined) {
      const against = part.minus === undefined ? "" : ` against ${this.labels[part.minus].label}`;
      make("span", "tag left", element, told + against);
    } else {
      layers.push(this.buildLayer(element, "layer over", part.over));
      make("span", "tag left", element, this.labels[part.over].label);
      make("span", "tag right", element, told);
      this.buildHandle(element);
    }
    const box = make("div", "outline", element);
    box.hidden = true;
    return { part, layers, box };
  }

  buildLayer(parent, className, index) {
    return { element: make("div", className, parent), index, content: null };
  }

  buildHandle(parent) {
    this.handle = make("div", "handle", parent);
    this.handle.tabIndex = 0;
    this.handle.setAttribute("role", "slider");
    this.handle.setAttribute("aria-label", `Divider, ${this.describe()}`);
    this.handle.setAttribute("aria-valuemin", "0");
    this.handle.setAttribute("aria-valuemax", "100");
    make("span", "grip", this.handle).setAttribute("aria-hidden", "true");
    this.divide(this.divider);
  }

  // Put the divider at a share of the frame's width.
  divide(share) {
    this.divider = Math.min(1, Math.max(0, share));
    this.element.style.setProperty("--divider", `${100 * this.divider}%`);
    if (!this.handle) return;
    const percent = Math.round(100 * this.divider);
    this.handle.setAttribute("aria-valuenow", `${percent}`);
    this.handle.setAttribute("aria-valuetext", `${percent} percent from the left`);
  }

  image(index) {
    if (!this.images.has(index)) {
      const holder = this.article.querySelector(`script[data-panel="${index}"]`);
      const description = `${this.name}, ${this.labels[index].label}`;
      this.images.set(index, decodePanel(holder, description));
    }
    return this.images.get(index);
  }

  // Decode what the panes need and put it in, placed by ``place``; whether nothing came between.
  async draw(place) {
    this.drawing += 1;
    const mine = this.drawing;
    const draw = async (layer, part) => {
      let content;
      try {
        content = await this.content(layer.index, part);
      } catch {
        content = make("p", "failed", null, `${this.labels[layer.index].label} cannot be shown.`);
      }
      if (mine !== this.drawing) return;
      layer.content = content;
      place(layer);
      layer.element.replaceChildren(content);
    };
    await Promise.all(
      this.frames.flatMap(({ layers, part }) => layers.map((layer) => draw(layer, part))),
    );
    return mine === this.drawing;
  }

  async content(index, part) {
    if (part.minus === undefined) return this.image(index);
    const [first, second] = await Promise.all([this.image(index), this.image(part.minus)]);
    const canvas = drawDifference(first, second, chosen.doublings);
    const names = `${this.labels[index].label} and ${this.labels[part.minus].label}`;
    canvas.setAttribute("role", "img");
    canvas.setAttribute(
      "aria-label",
      `${this.name}, difference of ${names}, ${2 ** chosen.doublings} times amplified`,
    );
    return canvas;
  }

  // Let go of the pixels; the page still holds what they were made from.
  clear() {
    this.drawing += 1;
    this.images.clear();
    for (const layer of this.layers) {
      layer.content = null;
      layer.element.replaceChildren();
    }
  }
}
