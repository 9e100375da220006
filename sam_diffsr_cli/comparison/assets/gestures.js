// Pointer, wheel and keys of one picture.

const WHEEL_PER_DOUBLING = 240;
const LINE_HEIGHT = 16;
const SMALL_TURN = 50;
const PAN_STEP = 40;
const DIVIDER_STEP = 0.02;

function listenToGestures(viewer) {
  listenToPointers(viewer);
  listenToWheel(viewer);
  listenToKeys(viewer);
}

// A point of the frame that an event began in; frames of one picture share the view.
function pointIn(frame, event) {
  const box = frame.getBoundingClientRect();
  return { x: event.clientX - box.left, y: event.clientY - box.top, width: box.width };
}

// One pointer moves the picture where it is larger than its frame, else the divider, which can
// always be taken by its handle. Two pointers zoom.
function listenToPointers(viewer) {
  const { element } = viewer.panes;
  const pointers = new Map();
  let frame = null;
  let isOnHandle = false;
  let what = "";

  const divideAt = (event) => {
    const point = pointIn(frame, event);
    viewer.panes.divide(point.x / point.width);
  };

  element.addEventListener("pointerdown", (event) => {
    const found = event.target.closest(".frame");
    if (!found || event.button !== 0) return;
    frame = found;
    element.setPointerCapture(event.pointerId);
    pointers.set(event.pointerId, pointIn(frame, event));
    isOnHandle = event.target.closest(".handle") !== null;
    (isOnHandle ? viewer.panes.handle : element).focus({ preventScroll: true });
    const isMovable = element.classList.contains("movable");
    what = "move";
    if (pointers.size > 1) what = "pinch";
    else if (isOnHandle) what = "divide";
    else if (!isMovable && viewer.panes.handle) what = "divide";
    if (what === "divide" && event.pointerType === "mouse") divideAt(event);
  });

  element.addEventListener("pointermove", (event) => {
    const before = pointers.get(event.pointerId);
    if (!before) return;
    const now = pointIn(frame, event);
    if (what === "pinch") pinch(viewer, pointers, event.pointerId, now);
    else if (what === "divide") divideAt(event);
    else viewer.pan(now.x - before.x, now.y - before.y);
    pointers.set(event.pointerId, now);
  });

  for (const kind of ["pointerup", "pointercancel"]) {
    element.addEventListener(kind, (event) => {
      pointers.delete(event.pointerId);
      // A finger that stays after two have zoomed moves the picture.
      if (pointers.size === 1) what = "move";
    });
  }

  // A captured pointer makes the panes the target, so where it went down has to be remembered.
  element.addEventListener("dblclick", (event) => {
    if (!frame || isOnHandle) return;
    viewer.glide();
    if (viewer.isFitted) viewer.zoom(4, pointIn(frame, event));
    else viewer.fit();
  });
}

function pinch(viewer, pointers, id, now) {
  const before = pointers.get(id);
  const [other] = [...pointers].filter(([key]) => key !== id).map(([, point]) => point);
  const apart = (point) => Math.hypot(point.x - other.x, point.y - other.y);
  const factor = apart(now) / Math.max(apart(before), 1);
  viewer.zoom(factor, { x: (now.x + other.x) / 2, y: (now.y + other.y) / 2 });
  if (!viewer.isFitted) viewer.pan((now.x - before.x) / 2, (now.y - before.y) / 2);
}

// The wheel alone scrolls the page until the picture has the focus. With Ctrl, which is what
// browsers tell for a pinch on a touch pad, it always zooms.
function listenToWheel(viewer) {
  const { element } = viewer.panes;
  element.addEventListener(
    "wheel",
    (event) => {
      const found = event.target.closest(".frame");
      const isMeant = event.ctrlKey || event.metaKey;
      if (!found || !(isMeant || element.contains(document.activeElement))) return;
      let pixels = event.deltaY * (event.deltaMode === 0 ? 1 : LINE_HEIGHT);
      // A pinch on a touch pad comes as many small turns.
      if (event.ctrlKey && Math.abs(pixels) < SMALL_TURN) pixels *= 3;
      const before = viewer.view.scale;
      viewer.zoom(2 ** (-pixels / WHEEL_PER_DOUBLING), pointIn(found, event));
      if (isMeant || viewer.view.scale !== before) event.preventDefault();
    },
    { passive: false },
  );
}

function listenToKeys(viewer) {
  const { element } = viewer.panes;
  const actions = {
    "+": () => viewer.act("in"),
    "=": () => viewer.act("in"),
    "-": () => viewer.act("out"),
    0: () => viewer.fit(),
    "[": () => viewer.nextCrop(-1),
    "]": () => viewer.nextCrop(1),
  };
  const moves = { ArrowLeft: [1, 0], ArrowRight: [-1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };

  element.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    viewer.load();
    const isTaken =
      (event.target === viewer.panes.handle && moveDivider(viewer, event)) ||
      moveView(viewer, moves[event.key], event.shiftKey) ||
      (actions[event.key] && (actions[event.key](), true)) ||
      chooseByKey(event);
    if (isTaken) event.preventDefault();
  });
}

// Whether the picture moved; where it cannot, the keys stay the page's.
function moveView(viewer, direction, isFar) {
  if (!direction || !viewer.panes.element.classList.contains("movable")) return false;
  const step = PAN_STEP * (isFar ? 5 : 1);
  viewer.pan(direction[0] * step, direction[1] * step);
  return true;
}

function moveDivider(viewer, event) {
  const { divider } = viewer.panes;
  const step = DIVIDER_STEP * (event.shiftKey ? 5 : 1);
  const places = {
    ArrowLeft: divider - step,
    ArrowDown: divider - step,
    ArrowRight: divider + step,
    ArrowUp: divider + step,
    PageDown: divider - 0.1,
    PageUp: divider + 0.1,
    Home: 0,
    End: 1,
  };
  if (!(event.key in places)) return false;
  viewer.panes.divide(places[event.key]);
  return true;
}
