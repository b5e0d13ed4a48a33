// What a person asks of the tracker: each command is answered by a message on the picture, and prompts can be undone.

import { maskOfValue } from "./masks.js";
import { toast } from "./toasts.js";

const MAX_UNDO = 50;
const MARK_TIME = 700; // milliseconds for which a click stays visible after its answer

export class Commands {
  constructor(connection, stage, labelInput) {
    this.connection = connection;
    this.stage = stage;
    this.labelInput = labelInput;
    this.done = []; // {kind: "start", id} or {kind: "correct", id, stamp, mask}, oldest first
  }

  /** Start an object, or correct the one of that id, on the picture that is shown. */
  async prompt({ clicks = [], box = null, mask = null }, id) {
    const { picture } = this.stage;
    const before = picture.header.tracks?.find((track) => track.id === id);
    const undo = { kind: "correct", id, stamp: picture.header.stamp, mask: before && maskOfValue(picture, before.mask_value) };
    const label = this.labelInput.value.trim();
    const message = { type: "prompt", object_id: id, stamp: picture.header.stamp, clicks, box, mask, label };
    this.stage.draft.clicks.push(...clicks);
    this.stage.redraw();
    const answer = await this.ask(message, id ? `correcting object ${id}` : "starting an object");
    setTimeout(() => this.forget(clicks), MARK_TIME);
    if (!answer.ok) return answer;
    this.labelInput.value = "";
    this.remember(id ? undo : { kind: "start", id: answer.object_id });
    const warning = answer.message ? `: ${answer.message}` : "";
    toast(id ? `object ${id} corrected${warning}` : `object ${answer.object_id} started${warning}`, warning ? "waiting" : "good");
    return answer;
  }

  /** Take back the last prompt: a new object is removed, a corrected one gets the mask that it had. */
  async undo() {
    const last = this.done.pop();
    if (!last) return toast("there is nothing to undo", "wrong");
    if (last.kind === "start") {
      const answer = await this.ask({ type: "remove", object_id: last.id }, "removing");
      if (answer.ok) toast(`object ${last.id} taken back`);
      return answer;
    }
    if (!last.mask) return toast(`object ${last.id} was not in view before its correction: correct it again, or remove it`, "wrong");
    const message = { type: "prompt", object_id: last.id, stamp: last.stamp, mask: last.mask };
    const answer = await this.ask(message, "taking back");
    if (answer.ok) toast(`the correction of object ${last.id} is taken back`);
    return answer;
  }

  async simple(message, text) {
    const answer = await this.ask(message, text);
    if (answer.ok) toast(text);
    return answer;
  }

  /** The answer to a message; the reason is shown where it is refused or takes long. */
  async ask(message, what) {
    let removeWaiting = () => {};
    const answer = await this.connection.request(message, (reason) => {
      removeWaiting = toast(`${what}: ${reason} ...`, "waiting");
    });
    removeWaiting();
    if (!answer.ok) toast(`not done: ${answer.message}`, "wrong");
    return answer;
  }

  remember(entry) {
    this.done.push(entry);
    if (this.done.length > MAX_UNDO) this.done.shift();
  }

  /** The objects are gone, or other ones. */
  forgetAll() {
    this.done = [];
  }

  forget(clicks) {
    this.stage.draft.clicks = this.stage.draft.clicks.filter((click) => !clicks.includes(click));
    this.stage.redraw();
  }
}
