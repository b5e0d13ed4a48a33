// The canvas: the newest picture, its masks and names, and what is being drawn on it.

import { labelsOf, packed, paintMasks } from "./masks.js";
import { readPicture } from "./wire.js";

const OTHER = "#ffffff";

export class Stage {
  /** `onDrawn(picture)` is called after a picture is on the canvas. */
  constructor(canvas, onDrawn) {
    this.canvas = canvas;
    this.context = canvas.getContext("2d");
    this.onDrawn = onDrawn;
    this.palette = [];
    this.picture = null; // that is shown
    this.options = { showsMasks: true, opacity: 0.45, selected: 0, target: 0 };
    this.draft = { clicks: [], box: null, pen: null }; // in pixels of the image; pen: a canvas
    this.masks = document.createElement("canvas");
    this.next = null; // the newest buffer that waits to be decoded
    new ResizeObserver(() => this.redraw()).observe(canvas);
  }

  /** Show a binary message, unless a newer one comes before it is decoded. */
  async show(buffer) {
    this.next = buffer;
    if (this.isDecoding) return;
    this.isDecoding = true;
    try {
      while (this.next) {
        const newest = this.next;
        this.next = null;
        const picture = readPicture(newest);
        const blob = new Blob([picture.jpeg], { type: "image/jpeg" });
        picture.bitmap = picture.jpeg.length ? await createImageBitmap(blob) : null;
        if (picture.header.mask) {
          picture.labels = labelsOf(picture.runs, picture.header.mask.width, picture.header.mask.height);
        }
        this.picture?.bitmap?.close();
        this.picture = picture;
        this.areMasksPainted = false;
        this.undrawn = picture;
        this.redraw();
      }
    } finally {
      this.isDecoding = false;
    }
  }

  set(options) {
    Object.assign(this.options, options);
    this.areMasksPainted = false;
    this.redraw();
  }

  colourOf(id) {
    return this.palette[(id - 1) % this.palette.length] ?? OTHER;
  }

  /** Where a point of the window is in the image: (0, 0) is the centre of its top left pixel; null without a picture. */
  toImage(clientX, clientY) {
    if (!this.picture) return null;
    const { left, top } = this.canvas.getBoundingClientRect();
    const { x, y, scale } = this.place();
    return { x: (clientX - left - x) / scale - 0.5, y: (clientY - top - y) / scale - 0.5 };
  }

  isInside({ x, y }) {
    const { width, height } = this.picture.header;
    return x >= -0.5 && y >= -0.5 && x <= width - 0.5 && y <= height - 0.5;
  }

  /** The tracked object whose mask is at a point of the image. */
  objectAt({ x, y }) {
    const { labels, header } = this.picture;
    if (!labels) return undefined;
    const column = Math.floor(((x + 0.5) * header.mask.width) / header.width);
    const row = Math.floor(((y + 0.5) * header.mask.height) / header.height);
    const value = labels[row * header.mask.width + column];
    return value ? header.tracks?.find((track) => track.mask_value === value) : undefined;
  }

  /** Position and scale of the image on the canvas, in CSS pixels. */
  place() {
    const { width, height } = this.picture.header;
    const { clientWidth, clientHeight } = this.canvas;
    const scale = Math.min(clientWidth / width, clientHeight / height);
    return { scale, x: (clientWidth - width * scale) / 2, y: (clientHeight - height * scale) / 2 };
  }

  redraw() {
    if (this.isPlanned) return;
    this.isPlanned = true;
    requestAnimationFrame(() => {
      this.isPlanned = false;
      this.draw();
    });
  }

  draw() {
    const { canvas, context, picture } = this;
    const ratio = devicePixelRatio || 1;
    const width = Math.round(canvas.clientWidth * ratio), height = Math.round(canvas.clientHeight * ratio);
    if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, width, height);
    if (!picture) return;
    const { x, y, scale } = this.place();
    context.setTransform(ratio, 0, 0, ratio, ratio * x, ratio * y);
    const size = [picture.header.width * scale, picture.header.height * scale];
    if (picture.bitmap) context.drawImage(picture.bitmap, 0, 0, ...size);
    this.drawMasks(size);
    if (this.draft.pen) context.drawImage(this.draft.pen, 0, 0, ...size);
    for (const track of picture.header.tracks ?? []) this.drawName(track, scale, size);
    this.drawDraft(scale);
    if (this.undrawn) {
      const drawn = this.undrawn;
      this.undrawn = null;
      this.onDrawn(drawn);
    }
  }

  drawMasks(size) {
    const { picture, options } = this;
    if (!options.showsMasks || !picture.labels) return;
    if (!this.areMasksPainted) {
      const colours = new Map(picture.header.tracks?.map((track) => [track.mask_value, packed(this.colourOf(track.id))]));
      paintMasks(this.masks, picture, colours, options.opacity);
      this.areMasksPainted = true;
    }
    this.context.drawImage(this.masks, 0, 0, ...size);
  }

  drawName(track, scale, [width, height]) {
    if (!track.box) return;
    const { context } = this;
    const [left, top, right, bottom] = track.box.map((edge) => edge * scale);
    const colour = this.colourOf(track.id);
    const isSelected = track.id === this.options.selected;
    if (isSelected) {
      context.strokeStyle = "#fff";
      context.lineWidth = 2;
      context.setLineDash([6, 4]);
      context.strokeRect(left - 3, top - 3, right - left + 6, bottom - top + 6);
      context.setLineDash([]);
    }
    const fontSize = parseFloat(getComputedStyle(document.documentElement).fontSize) * 0.9;
    context.font = `${isSelected ? "bold " : ""}${fontSize}px system-ui, sans-serif`;
    const text = `${track.id === this.options.target ? "★ " : ""}${track.id} ${track.label}`.trim();
    const textWidth = Math.min(context.measureText(text).width + 10, width);
    const textHeight = fontSize * 1.4;
    const x = Math.max(0, Math.min((left + right - textWidth) / 2, width - textWidth));
    const y = top - textHeight - 4 >= 0 ? top - textHeight - 4 : Math.min(bottom + 4, height - textHeight);
    context.fillStyle = "rgb(18 20 24 / 78%)";
    context.fillRect(x, y, textWidth, textHeight);
    context.fillStyle = colour;
    context.fillRect(x, y + textHeight - 3, textWidth * track.presence, 3);
    context.fillStyle = "#fff";
    context.textBaseline = "middle";
    context.fillText(text, x + 5, y + textHeight / 2, textWidth - 10);
  }

  drawDraft(scale) {
    const { context, draft } = this;
    for (const click of draft.clicks) {
      context.beginPath();
      context.arc((click.x + 0.5) * scale, (click.y + 0.5) * scale, 6, 0, 2 * Math.PI);
      context.fillStyle = click.positive ? "#3fb950" : "#ff6b63";
      context.strokeStyle = "#fff";
      context.lineWidth = 2;
      context.fill();
      context.stroke();
    }
    if (draft.box) {
      const { x0, y0, x1, y1 } = draft.box;
      context.strokeStyle = "#fff";
      context.lineWidth = 2;
      context.strokeRect((x0 + 0.5) * scale, (y0 + 0.5) * scale, (x1 - x0) * scale, (y1 - y0) * scale);
    }
  }
}
