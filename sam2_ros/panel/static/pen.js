// The pen: strokes on a canvas of the picture's size, which become a mask.

import { maskOfCanvas } from "./masks.js";

const INK = "rgb(255 255 255)", OPACITY = 0.6;

export class Pen {
  constructor(stage) {
    this.stage = stage;
    this.strokes = []; // {points, isErasing}, points in pixels of the image
  }

  get isEmpty() {
    return !this.strokes.length;
  }

  start(point, isErasing) {
    this.strokes.push({ points: [point], isErasing });
    this.paint();
  }

  extend(point) {
    this.strokes.at(-1)?.points.push(point);
    this.paint();
  }

  undo() {
    this.strokes.pop();
    this.paint();
  }

  clear() {
    this.strokes = [];
    this.stage.draft.pen = null;
    this.stage.redraw();
  }

  /** What is drawn, as a prompt holds it; null where nothing is. */
  mask() {
    return this.isEmpty ? null : maskOfCanvas(this.render(1));
  }

  paint() {
    this.stage.draft.pen = this.isEmpty ? null : this.render(OPACITY);
    this.stage.redraw();
  }

  /** The strokes at the size of the picture's masks; the pen is a fiftieth of the picture wide. */
  render(opacity) {
    const { header } = this.stage.picture;
    const { width, height } = header.mask ?? header;
    const scale = width / header.width;
    const canvas = Object.assign(document.createElement("canvas"), { width, height });
    const context = canvas.getContext("2d");
    context.lineWidth = Math.max(3, Math.max(width, height) / 50);
    context.lineCap = context.lineJoin = "round";
    context.strokeStyle = context.fillStyle = INK;
    for (const { points, isErasing } of this.strokes) {
      context.globalCompositeOperation = isErasing ? "destination-out" : "source-over";
      context.beginPath();
      for (const { x, y } of points) context.lineTo((x + 0.5) * scale, (y + 0.5) * scale);
      context.lineTo((points[0].x + 0.5) * scale + 0.01, (points[0].y + 0.5) * scale); // a closed outline is filled
      context.stroke();
      if (points.length > 8) context.fill();
    }
    if (opacity < 1) {
      context.globalCompositeOperation = "destination-in";
      context.globalAlpha = opacity;
      context.fillRect(0, 0, width, height);
    }
    return canvas;
  }
}
