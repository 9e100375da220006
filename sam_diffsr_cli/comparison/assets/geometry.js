// Where a picture lies in its frame; pure functions.
// A view is {scale, x, y}: CSS pixels a picture pixel, and the point of the picture, in picture
// pixels, that is in the middle of the frame. Sizes are {width, height}.

const MOST_SCALE = 64;
const LADDER = [1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64];

function deviceRatio() {
  return window.devicePixelRatio || 1;
}

// Whole screen pixels a picture pixel where it can be enlarged, so that all are of one size.
function fitScale(size, frame) {
  const scale = Math.min(frame.width / size.width, frame.height / size.height);
  const onScreen = scale * deviceRatio();
  return onScreen >= 1 ? Math.floor(onScreen + 1e-6) / deviceRatio() : scale;
}

function fitView(size, frame) {
  return { scale: fitScale(size, frame), x: size.width / 2, y: size.height / 2 };
}

// A rectangle [left, top, width, height] as large as the frame takes.
function cropView(crop, size, frame) {
  const [left, top, width, height] = crop;
  const scale = Math.max(fitScale({ width, height }, frame), fitScale(size, frame));
  return clampView({ scale, x: left + width / 2, y: top + height / 2 }, size, frame);
}

function clampView(view, size, frame) {
  const least = fitScale(size, frame);
  const most = Math.max(MOST_SCALE / deviceRatio(), least);
  const scale = Math.min(Math.max(view.scale, least), most);
  const middle = (value, length, room) => {
    const half = room / scale / 2;
    return length <= 2 * half ? length / 2 : Math.min(Math.max(value, half), length - half);
  };
  return {
    scale,
    x: middle(view.x, size.width, frame.width),
    y: middle(view.y, size.height, frame.height),
  };
}

// Zoom so that what is at ``point`` of the frame, in CSS pixels, stays there.
function zoomView(view, factor, point, size, frame) {
  const scale = clampView({ ...view, scale: view.scale * factor }, size, frame).scale;
  const shift = 1 / view.scale - 1 / scale;
  const x = view.x + (point.x - frame.width / 2) * shift;
  const y = view.y + (point.y - frame.height / 2) * shift;
  return clampView({ scale, x, y }, size, frame);
}

// The next round scale up (1) or down (-1).
function nextScale(scale, direction) {
  const ratio = deviceRatio();
  const steps = LADDER.map((step) => step / ratio);
  for (let step = 0.5 / ratio; step > scale / 4; step /= 2) steps.unshift(step);
  const found =
    direction > 0
      ? steps.find((step) => step > scale * 1.001)
      : steps.findLast((step) => step < scale * 0.999);
  return found ?? scale;
}

function isLarger(view, size, frame) {
  const slack = 0.5;
  return (
    size.width * view.scale > frame.width + slack || size.height * view.scale > frame.height + slack
  );
}

// Left and top edge in the frame, on whole screen pixels, and the size there.
function placeView(view, size, frame) {
  const ratio = deviceRatio();
  const snap = (value) => Math.round(value * ratio) / ratio;
  return {
    left: snap(frame.width / 2 - view.x * view.scale),
    top: snap(frame.height / 2 - view.y * view.scale),
    width: size.width * view.scale,
    height: size.height * view.scale,
  };
}

// The grid in which ``count`` panes are largest, in ``room`` by ``tall`` CSS pixels together.
function planGrid(count, size, room, tall, gap) {
  const plans = Array.from({ length: count }, (_, index) => {
    const columns = index + 1;
    const rows = Math.ceil(count / columns);
    const width = (room - gap * (columns - 1)) / columns;
    const height = (tall - gap * (rows - 1)) / rows;
    return { columns, width, height, scale: Math.min(width / size.width, height / size.height) };
  });
  return plans.reduce((best, plan) => (plan.scale > best.scale * 1.001 ? plan : best));
}
