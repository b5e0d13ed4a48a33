// The last minute: a row for each object, as high as its presence while in view, amber while occluded, red while lost.

const SPAN = 60000; // milliseconds
const GAP = 1500; // milliseconds without samples that are shown as a gap
const PERIOD = 250; // milliseconds between two drawings
const COLOURS = { occluded: "#e3a008", lost: "#ff6b63" };

export class Timeline {
  constructor(canvas, colourOf) {
    this.canvas = canvas;
    this.colourOf = colourOf;
    this.rows = new Map(); // samples {at, state, presence} by object id, oldest first
    setInterval(() => this.draw(), PERIOD);
  }

  clear() {
    this.rows.clear();
  }

  /** Time is that of the page, so that a camera's clock may jump. */
  add(tracks) {
    const at = performance.now();
    for (const { id, state, presence } of tracks) {
      const samples = this.rows.get(id) ?? [];
      samples.push({ at, state, presence });
      this.rows.set(id, samples);
    }
  }

  draw() {
    const now = performance.now();
    for (const [id, samples] of this.rows) {
      const kept = samples.findIndex((sample) => sample.at > now - SPAN);
      if (kept < 0) this.rows.delete(id);
      else samples.splice(0, kept);
    }
    const { canvas } = this;
    const ratio = devicePixelRatio || 1;
    const { clientWidth: width, clientHeight: height } = canvas;
    if (!width) return;
    Object.assign(canvas, { width: Math.round(width * ratio), height: Math.round(height * ratio) });
    const context = canvas.getContext("2d");
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    const style = getComputedStyle(canvas);
    const fontSize = parseFloat(style.fontSize) * 0.72;
    context.font = `${fontSize}px system-ui, sans-serif`;
    context.textBaseline = "middle";
    const axis = fontSize * 1.5, margin = fontSize * 2;
    const toX = (at) => margin + (width - margin - 4) * (1 - (now - at) / SPAN);
    context.fillStyle = style.color;
    for (const seconds of [60, 45, 30, 15, 0]) {
      const text = seconds ? `-${seconds} s` : "now";
      const x = Math.min(Math.max(toX(now - 1000 * seconds) - context.measureText(text).width / 2, 0), width - context.measureText(text).width - 2);
      context.fillText(text, x, height - axis / 2);
    }
    const ids = [...this.rows.keys()].sort((a, b) => a - b);
    const rowHeight = Math.min((height - axis) / Math.max(ids.length, 1), 1.8 * fontSize);
    ids.forEach((id, row) => {
      const top = row * rowHeight + 1, full = rowHeight - 2;
      context.fillStyle = style.color;
      if (rowHeight > 0.8 * fontSize) context.fillText(String(id), 3, top + full / 2);
      const samples = this.rows.get(id);
      samples.forEach((sample, i) => {
        const until = samples[i + 1]?.at ?? now;
        const end = Math.min(until, sample.at + GAP);
        const share = sample.state === "visible" ? Math.max(sample.presence, 0.1) : 0.35;
        context.fillStyle = COLOURS[sample.state] ?? this.colourOf(id);
        context.fillRect(toX(sample.at), top + full * (1 - share), toX(end) - toX(sample.at) + 0.5, full * share);
      });
    });
    context.globalAlpha = 0.4;
    context.strokeStyle = style.color;
    context.strokeRect(margin, 0.5, width - margin - 4, height - axis);
  }
}
