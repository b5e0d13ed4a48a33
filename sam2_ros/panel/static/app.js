// The page: connects the parts. What the server sends ends up here, and what a person does starts here.

import { Commands } from "./commands.js";
import { Connection } from "./connection.js";
import { EventList } from "./events.js";
import { watchGestures } from "./gestures.js";
import { ObjectList } from "./objects.js";
import { Pen } from "./pen.js";
import { watchKeys } from "./shortcuts.js";
import { Stage } from "./stage.js";
import { Timeline } from "./timeline.js";
import { toast } from "./toasts.js";

const ARM_TIME = 3000; // milliseconds in which Reset has to be pressed again
const element = (id) => document.getElementById(id);

const stage = new Stage(element("stage"), pictureDrawn);
const pen = new Pen(stage);
const objects = new ObjectList(element("objects"), element("no-objects"), toggleSelected);
const events = new EventList(element("events"));
const timeline = new Timeline(element("timeline"), (id) => stage.colourOf(id));
let status = { is_paused: false, target: 0 };
let selected = 0; // object id, 0: none
let isDrawing = false; // with the pen

const connection = new Connection({
  picture: (buffer) => stage.show(buffer),
  open: () => {
    setConnected(true);
    events.clear();
  },
  lost: (text) => {
    setConnected(false);
    setProblem(text);
    setState("disconnected");
  },
  message: (message) => receivers[message.type]?.(message),
});
const commands = new Commands(connection, stage, element("label"));

// ---- from the server

const receivers = {
  hello(message) {
    element("name").textContent = message.name;
    document.title = `${message.name} - sam2_ros`;
    stage.palette = message.palette;
    element("restart").hidden = !message.can_restart;
    for (const event of message.events) events.add(event, true);
  },
  status(message) {
    status = message;
    if (message.tracker === "missing") commands.forgetAll(); // another process knows other objects
    setState(message.tracker);
    setProblem(message.problem);
    element("rate").textContent = message.rate ? `${message.rate.toFixed(1)} images/s` : "";
    element("pause").setAttribute("aria-pressed", String(message.is_paused));
    element("pause").textContent = message.is_paused ? "Resume" : "Pause";
    stage.set({ target: targetOf(stage.picture?.header.tracks ?? []) });
  },
  event(message) {
    events.add(message);
    if (message.kind === "reset") commands.forgetAll();
  },
  reply(message) {
    // An answer to nothing that waits: a message that the server could not read.
    if (!message.ok) toast(`not done: ${message.message}`, "wrong");
  },
};

function pictureDrawn(picture) {
  connection.send({ type: "drawn", number: picture.header.number });
  const { tracks } = picture.header;
  document.documentElement.dataset.stamp = picture.header.stamp.join(".");
  element("objects").classList.toggle("is-stale", !tracks);
  if (!tracks) return;
  if (selected && !tracks.some((track) => track.id === selected)) select(0);
  stage.options.target = targetOf(tracks);
  objects.update(tracks, { selected, target: stage.options.target, colourOf: (id) => stage.colourOf(id) });
  timeline.add(tracks);
}

/** The object that was selected as the target; without one the oldest. */
function targetOf(tracks) {
  return status.target || Math.min(...tracks.map((track) => track.id), Infinity);
}

function setConnected(isConnected) {
  element("view").classList.toggle("is-stale", !isConnected);
}

function setState(state) {
  element("tracker-state").textContent = state;
  element("tracker-state").dataset.state = state;
}

function setProblem(text) {
  element("problem").textContent = text;
  element("problem").hidden = !text;
}

// ---- selection and pen

function select(id) {
  selected = id;
  stage.set({ selected: id });
  objects.update(stage.picture?.header.tracks ?? [], { selected, target: stage.options.target, colourOf: (other) => stage.colourOf(other) });
  showHint();
}

function toggleSelected(id) {
  select(id === selected ? 0 : id);
}

function setDrawing(value) {
  isDrawing = value;
  if (!value) pen.clear();
  element("pen").setAttribute("aria-pressed", String(value));
  element("apply").hidden = !value;
  showHint();
}

function showHint() {
  const whose = selected ? `object ${selected}` : "a new object";
  const drawing = `draw the mask of ${whose}, then Apply${status.is_paused ? "" : "; pause to draw on a still picture"}`;
  const clicking = selected ? `object ${selected}: click adds, right click or long press takes away, Esc ends` : "";
  element("hint").textContent = isDrawing ? drawing : clicking;
}

// ---- what a person does

/** Whether there is a picture, and the point is on it. */
function isOnPicture(point) {
  if (!point) toast("there is no picture yet to click on", "wrong");
  else if (!stage.isInside(point)) toast("that is outside the picture", "wrong");
  return Boolean(point) && stage.isInside(point);
}

watchGestures(stage.canvas, {
  isDrawing: () => isDrawing,
  click(event, isNegative) {
    const point = stage.toImage(event.clientX, event.clientY);
    if (!isOnPicture(point)) return;
    if (isNegative && !selected) return toast("select an object first: right click and long press take away from it", "wrong");
    const hit = stage.objectAt(point);
    if (!selected && hit && !event.shiftKey) return select(hit.id);
    commands.prompt({ clicks: [{ ...point, positive: !isNegative }] }, event.shiftKey ? 0 : selected);
  },
  drag(start, end) {
    stage.draft.box = boxOf(start, end);
    stage.redraw();
  },
  box(start, end) {
    const box = boxOf(start, end);
    stage.draft.box = null;
    stage.redraw();
    if (!box) return isOnPicture(null);
    commands.prompt({ box: [box.x0, box.y0, box.x1, box.y1] }, selected);
  },
  stroke(event, isErasing) {
    const point = stage.toImage(event.clientX, event.clientY);
    if (isOnPicture(point)) pen.start(point, isErasing);
  },
  extend: (event) => pen.extend(stage.toImage(event.clientX, event.clientY)),
  finish() {},
  cancel() {
    stage.draft.box = null;
    stage.redraw();
  },
});

function boxOf(start, end) {
  const a = stage.toImage(start.clientX, start.clientY), b = stage.toImage(end.clientX, end.clientY);
  if (!a) return null;
  return { x0: Math.min(a.x, b.x), y0: Math.min(a.y, b.y), x1: Math.max(a.x, b.x), y1: Math.max(a.y, b.y) };
}

async function apply() {
  const mask = stage.picture && pen.mask();
  if (!mask) return toast("nothing is drawn yet", "wrong");
  const answer = await commands.prompt({ mask }, selected);
  if (answer.ok) setDrawing(false);
}

function undo() {
  if (isDrawing && !pen.isEmpty) pen.undo();
  else commands.undo();
}

function withSelected(act) {
  if (selected) act(selected);
  else toast("select an object first", "wrong");
}

const target = () => withSelected((id) => commands.simple({ type: "select", object_id: id }, `object ${id} is the target`));
const remove = () => withSelected((id) => commands.simple({ type: "remove", object_id: id }, `object ${id} removed`));
const pause = () => commands.simple({ type: "enable", enabled: status.is_paused }, status.is_paused ? "resumed" : "paused");

function reset() {
  const button = element("reset");
  if (button.classList.toggle("is-armed")) {
    button.textContent = "Drop all?";
    setTimeout(disarm, ARM_TIME);
  } else {
    disarm();
    commands.simple({ type: "reset" }, "all objects dropped");
  }
}

function disarm() {
  element("reset").classList.remove("is-armed");
  element("reset").textContent = "Reset";
}

function setMasks(showsMasks) {
  element("masks").checked = showsMasks;
  stage.set({ showsMasks });
}

function setOpacity(percent) {
  element("opacity").value = percent;
  stage.set({ opacity: element("opacity").value / 100 });
}

const deselect = () => {
  setDrawing(false);
  select(0);
};
const onClick = { new: deselect, pen: () => setDrawing(!isDrawing), apply, undo, target, remove, pause, reset };
for (const [id, act] of Object.entries(onClick)) element(id).addEventListener("click", act);
element("restart").addEventListener("click", () => commands.simple({ type: "restart" }, "playing again"));
element("help-button").addEventListener("click", () => element("help").showModal());
element("masks").addEventListener("change", (event) => setMasks(event.target.checked));
element("opacity").addEventListener("input", (event) => setOpacity(event.target.value));

const selectNth = (n) => () => {
  const id = [...objects.rows.keys()][n];
  if (id) toggleSelected(id);
};
watchKeys({
  ...Object.fromEntries([...Array(9).keys()].map((n) => [String(n + 1), selectNth(n)])),
  escape: deselect,
  n: deselect,
  p: () => setDrawing(!isDrawing),
  enter: () => isDrawing && apply(),
  u: undo,
  "ctrl+z": undo,
  t: target,
  delete: remove,
  backspace: remove,
  " ": pause,
  m: () => setMasks(!element("masks").checked),
  "+": () => setOpacity(Number(element("opacity").value) + 10),
  "-": () => setOpacity(Number(element("opacity").value) - 10),
  l: () => element("label").focus(),
  "?": () => element("help").showModal(),
});
