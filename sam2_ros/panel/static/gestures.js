// Mouse, pen and fingers on the canvas: clicks, long presses, boxes and strokes.

const LONG_PRESS = 500; // milliseconds
const STILL = 6; // CSS pixels by which a click or press may move

/** `on` has click(event, isNegative), drag(start, end), box(start, end), cancel(), and for the pen isDrawing(),
 *  stroke(event, isErasing), extend(event), finish(). Events have clientX and clientY. */
export function watchGestures(canvas, on) {
  let start = null; // the event of the finger or button that is down
  let isDragging = false, timer = 0;

  const end = () => {
    clearTimeout(timer);
    start = null;
    isDragging = false;
  };

  canvas.addEventListener("pointerdown", (event) => {
    if (start || event.button > 2 || event.button === 1) return;
    canvas.setPointerCapture(event.pointerId);
    canvas.focus({ preventScroll: true });
    start = event;
    if (on.isDrawing()) return on.stroke(event, isNegative(event));
    if (event.pointerType === "touch") {
      timer = setTimeout(() => {
        const pressed = start;
        end();
        navigator.vibrate?.(20);
        on.click(pressed, true);
      }, LONG_PRESS);
    }
  });

  canvas.addEventListener("pointermove", (event) => {
    if (!start || event.pointerId !== start.pointerId) return;
    if (on.isDrawing()) return on.extend(event);
    if (!isDragging && Math.hypot(event.clientX - start.clientX, event.clientY - start.clientY) > STILL) {
      isDragging = !isNegative(start);
      clearTimeout(timer);
    }
    if (isDragging) on.drag(start, event);
  });

  canvas.addEventListener("pointerup", (event) => {
    if (!start || event.pointerId !== start.pointerId) return;
    const pressed = start, wasDragging = isDragging;
    end();
    if (on.isDrawing()) on.finish();
    else if (wasDragging) on.box(pressed, event);
    else on.click(event, isNegative(pressed));
  });

  canvas.addEventListener("pointercancel", () => {
    end();
    on.cancel();
  });
  canvas.addEventListener("contextmenu", (event) => event.preventDefault());
}

function isNegative(event) {
  return event.button === 2 || event.altKey || event.ctrlKey; // Ctrl + click is a Mac's right click
}
