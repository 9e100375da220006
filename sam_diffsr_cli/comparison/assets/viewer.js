// One picture of the page: the view that its panes share, and the places where panels differ most.

const LEAST_HEIGHT = 120;
const MOST_HEIGHT = { slider: 0.72, all: 0.85, difference: 0.85 }; // of the window
const GAP = 8;
const FIRST = "first-picture";
const GLIDE_MS = 250;

class Viewer {
  constructor(article, labels, tools, announce) {
    this.article = article;
    this.labels = labels;
    this.announce = announce;
    this.name = article.dataset.name;
    this.size = { width: Number(article.dataset.width), height: Number(article.dataset.height) };
    this.crops = JSON.parse(article.dataset.crops);
    this.crop = -1; // the place that is shown, or -1
    this.isFitted = true;
    this.isLoaded = false;
    this.isStale = true; // what is chosen has changed since the panes were built
    this.shown = article.querySelector(".shown");
    article.querySelector(".side").prepend(tools.content.cloneNode(true));
    this.percent = article.querySelector(".percent");
    this.panes = new Panes(this.shown, article, labels);
    this.cropButtons = this.makeCrops(article.querySelector(".crops"));
    for (const button of article.querySelectorAll("[data-do]")) {
      button.addEventListener("click", () => this.act(button.dataset.do));
    }
    listenToGestures(this);
    // What is opened above moves the panes.
    document.addEventListener("toggle", () => this.align(), true);
  }

  makeCrops(parent) {
    if (this.crops.length === 0) make("span", "same", parent, "All panels are the same.");
    return this.crops.map(([left, top, width, height], index) => {
      const button = make("button", "crop", parent);
      button.type = "button";
      button.title = `${width} x ${height} pixels at ${left}, ${top}`;
      make("canvas", "thumb", button).setAttribute("aria-hidden", "true");
      make("span", "unseen", button, "Place ");
      make("span", "", button, `${index + 1}`);
      make("span", "unseen", button, ` at ${left}, ${top}`);
      button.addEventListener("click", () => this.showCrop(index));
      for (const [on, off] of [["pointerenter", "pointerleave"], ["focus", "blur"]]) {
        button.addEventListener(on, () => this.outline(index));
        button.addEventListener(off, () => this.outline(-1));
      }
      return button;
    });
  }

  // Take up what is chosen; a picture that is far away waits until it comes near.
  refresh() {
    this.isStale = true;
    this.panes.label();
    if (!this.isLoaded) return;
    this.arrange();
    this.draw();
  }

  // Move the panes by less than a pixel of the screen, so that theirs lie on its own.
  align() {
    const ratio = deviceRatio();
    const style = this.shown.style;
    [style.position, style.left, style.top] = ["relative", "0px", "0px"];
    const { left, top } = this.shown.getBoundingClientRect();
    for (const [side, at] of [["left", left + window.scrollX], ["top", top + window.scrollY]]) {
      style[side] = `${Math.round(at * ratio) / ratio - at}px`;
    }
  }

  // Build the panes of the present mode and give them their size.
  arrange() {
    this.isStale = false;
    this.align();
    const plan = planPanes(this.labels);
    const tall = Math.max(LEAST_HEIGHT, MOST_HEIGHT[chosen.mode] * window.innerHeight);
    const grid = planGrid(plan.length, this.size, this.shown.clientWidth, tall, GAP);
    const needed = Math.ceil(this.size.height * fitScale(this.size, grid));
    this.frame = { width: grid.width, height: Math.max(LEAST_HEIGHT, needed) };
    this.panes.build(plan, grid.columns, this.frame.height);
    if (this.isFitted) this.view = fitView(this.size, this.frame);
    else if (this.crop >= 0) this.view = cropView(this.crops[this.crop], this.size, this.frame);
    else this.view = clampView(this.view, this.size, this.frame);
    this.place();
  }

  load() {
    if (this.isLoaded) return;
    this.isLoaded = true;
    if (this.isStale) this.arrange();
    this.draw();
  }

  unload() {
    this.isLoaded = false;
    this.panes.clear();
    delete this.article.dataset.state;
  }

  async draw() {
    if (!(await this.panes.draw((layer) => this.placeLayer(layer)))) return;
    this.article.dataset.state = "drawn";
    if (!performance.getEntriesByName(FIRST).length) performance.mark(FIRST);
    if (this.crops.length === 0) return;
    const image = await this.panes.image(this.panes.frames[0].part.under).catch(() => null);
    if (!image) return;
    this.cropButtons.forEach((button, index) => {
      drawThumb(button.querySelector("canvas"), image, this.crops[index]);
    });
  }

  // Put every panel where the view says, all in step.
  place() {
    for (const layer of this.panes.layers) this.placeLayer(layer);
    const onScreen = this.view.scale * deviceRatio();
    this.percent.textContent = `${Math.round(100 * onScreen)} %`;
    const { classList } = this.panes.element;
    classList.toggle("movable", isLarger(this.view, this.size, this.frame));
    classList.toggle("pixels", onScreen >= 1);
    this.cropButtons.forEach((button, index) => {
      button.setAttribute("aria-pressed", `${index === this.crop}`);
    });
  }

  placeLayer(layer) {
    if (!layer.content || layer.content.className === "failed") return;
    const at = placeView(this.view, this.size, this.frame);
    const { style } = layer.content;
    style.width = `${at.width}px`;
    style.height = `${at.height}px`;
    style.transform = `translate(${at.left}px, ${at.top}px)`;
  }

  // Show where a place lies; -1 is none.
  outline(index) {
    this.load();
    const at = placeView(this.view, this.size, this.frame);
    const { scale } = this.view;
    for (const { box } of this.panes.frames) {
      box.hidden = index < 0 || index === this.crop;
      if (!box.hidden) {
        const [left, top, width, height] = this.crops[index];
        box.style.transform = `translate(${at.left + left * scale}px, ${at.top + top * scale}px)`;
        box.style.width = `${width * scale}px`;
        box.style.height = `${height * scale}px`;
      }
    }
  }

  setView(view, crop = -1) {
    this.view = clampView(view, this.size, this.frame);
    this.crop = crop;
    this.isFitted = crop < 0 && this.view.scale <= fitScale(this.size, this.frame) * 1.001;
    this.outline(-1);
    this.place();
    this.announce(this.tell());
  }

  tell() {
    const zoom = `zoom ${this.percent.textContent}`;
    if (this.crop < 0) return `${this.name}, ${zoom}`;
    const [left, top] = this.crops[this.crop];
    return `${this.name}, place ${this.crop + 1} of ${this.crops.length} at ${left}, ${top}, ${zoom}`;
  }

  showCrop(index) {
    this.glide();
    this.setView(cropView(this.crops[index], this.size, this.frame), index);
  }

  nextCrop(direction) {
    this.load();
    const count = this.crops.length;
    if (count === 0) return;
    const from = this.crop < 0 && direction < 0 ? 0 : this.crop;
    this.showCrop((from + direction + count) % count);
  }

  fit() {
    this.glide();
    this.setView(fitView(this.size, this.frame));
  }

  // Zoom by a factor, where ``point`` of the frame stays; in the middle unless told.
  zoom(factor, point = { x: this.frame.width / 2, y: this.frame.height / 2 }) {
    this.setView(zoomView(this.view, factor, point, this.size, this.frame));
  }

  // Move the picture by CSS pixels.
  pan(x, y) {
    const { scale } = this.view;
    this.setView({ scale, x: this.view.x - x / scale, y: this.view.y - y / scale });
  }

  act(what) {
    this.load();
    if (what === "fit") {
      this.fit();
      return;
    }
    this.glide();
    this.zoom(nextScale(this.view.scale, what === "in" ? 1 : -1) / this.view.scale);
  }

  // Let the style sheet move the panels there, where motion is welcome.
  glide() {
    const { classList } = this.panes.element;
    classList.add("gliding");
    clearTimeout(this.gliding);
    this.gliding = setTimeout(() => classList.remove("gliding"), GLIDE_MS);
  }
}
