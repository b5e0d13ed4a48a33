// Label images and masks, as runs of pixels and as canvases.

/** The label image (Uint8Array, row by row) of runs: start, length, value, ... */
export function labelsOf(runs, width, height) {
  const labels = new Uint8Array(width * height);
  for (let i = 0; i < runs.length; i += 3) labels.fill(runs[i + 2], runs[i], runs[i] + runs[i + 1]);
  return labels;
}

/** Paint the runs on a canvas of the label image's size: each value in its colour, with an opaque outline. */
export function paintMasks(canvas, picture, colours, opacity) {
  const { width, height } = picture.header.mask;
  canvas.width = width;
  canvas.height = height;
  const context = canvas.getContext("2d");
  const image = context.createImageData(width, height);
  const pixels = new Uint32Array(image.data.buffer); // 0xAABBGGRR
  const { runs, labels } = picture;
  const line = Math.max(1, Math.round(width / 500));
  const above = line * width;
  for (let i = 0; i < runs.length; i += 3) {
    const start = runs[i], end = start + runs[i + 1], value = runs[i + 2];
    const colour = colours.get(value);
    if (colour === undefined) continue; // the object is removed already
    const fill = (Math.round(255 * opacity) << 24) | colour, outline = (255 << 24) | colour;
    for (let p = start; p < end; p++) {
      const isEdge = p - start < line || end - p <= line || labels[p - above] !== value || labels[p + above] !== value;
      pixels[p] = isEdge ? outline : fill;
    }
  }
  context.putImageData(image, 0, 0);
}

/** #rrggbb as 0x00BBGGRR. */
export function packed(colour) {
  const number = parseInt(colour.slice(1), 16);
  return ((number & 255) << 16) | (number & 0xff00) | (number >> 16);
}

/** The runs (start, length, ...) of the pixels for which `isInside(index)`. */
export function runsWhere(count, isInside) {
  const runs = [];
  for (let p = 0; p < count; p++) {
    if (!isInside(p)) continue;
    const start = p;
    while (p < count && isInside(p)) p++;
    runs.push(start, p - start);
  }
  return runs;
}

/** The mask of one value in a picture's label image, as a prompt holds it; null where there is none. */
export function maskOfValue(picture, value) {
  const { labels } = picture;
  if (!labels) return null;
  const runs = runsWhere(labels.length, (p) => labels[p] === value);
  return runs.length ? { width: picture.header.mask.width, height: picture.header.mask.height, runs } : null;
}

/** The mask drawn on a canvas, as a prompt holds it; null where nothing is drawn. */
export function maskOfCanvas(canvas) {
  const { width, height } = canvas;
  const alpha = canvas.getContext("2d").getImageData(0, 0, width, height).data;
  const runs = runsWhere(width * height, (p) => alpha[4 * p + 3] > 127);
  return runs.length ? { width, height, runs } : null;
}
