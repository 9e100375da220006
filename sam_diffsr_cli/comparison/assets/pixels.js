// From what the page holds of a panel to pixels.

// The address of a panel: a file beside the page, or a blob made of the text that is in it.
function panelAddress(holder) {
  if (holder.dataset.source) return { address: holder.dataset.source, release: () => {} };
  const text = atob(holder.textContent);
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i += 1) bytes[i] = text.charCodeAt(i);
  const address = URL.createObjectURL(new Blob([bytes], { type: holder.type }));
  return { address, release: () => URL.revokeObjectURL(address) };
}

async function decodePanel(holder, description) {
  const image = new Image();
  const { address, release } = panelAddress(holder);
  image.alt = description;
  image.draggable = false;
  image.decoding = "async";
  image.src = address;
  try {
    await image.decode();
  } finally {
    release();
  }
  return image;
}

// |first - second| of each channel, doubled ``doublings`` times, as a canvas. It is all drawing and
// no reading, which browsers forbid for files that lie beside a page.
function drawDifference(first, second, doublings) {
  const canvas = document.createElement("canvas");
  canvas.width = first.naturalWidth;
  canvas.height = first.naturalHeight;
  const context = canvas.getContext("2d", { alpha: false });
  context.drawImage(first, 0, 0);
  context.globalCompositeOperation = "difference";
  context.drawImage(second, 0, 0);
  context.globalCompositeOperation = "lighter";
  for (let i = 0; i < doublings; i += 1) context.drawImage(canvas, 0, 0);
  return canvas;
}

function drawThumb(canvas, image, crop) {
  const [left, top, width, height] = crop;
  canvas.width = width;
  canvas.height = height;
  canvas.getContext("2d").drawImage(image, left, top, width, height, 0, 0, width, height);
}
