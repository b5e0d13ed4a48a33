// The list of events, the newest first.

const SHOWN = 50;

export class EventList {
  constructor(list) {
    this.list = list;
    setInterval(() => this.updateAges(), 1000);
  }

  clear() {
    this.list.replaceChildren();
  }

  add(event, isOld = false) {
    const item = document.createElement("li");
    item.dataset.kind = event.kind;
    item.at = isOld ? null : performance.now();
    const age = Object.assign(document.createElement("span"), { className: "age" });
    const kind = Object.assign(document.createElement("b"), { textContent: event.kind.replace("_", " ") });
    item.append(age, kind, describe(event));
    this.list.prepend(item);
    while (this.list.children.length > SHOWN) this.list.lastChild.remove();
    this.updateAges();
  }

  updateAges() {
    for (const item of this.list.children) {
      item.firstChild.textContent = item.at === null ? "earlier" : ageText((performance.now() - item.at) / 1000);
    }
  }
}

function describe(event) {
  const parts = [];
  if (event.object_id) parts.push(`${event.object_id} ${event.label}`.trim());
  if (event.absence > 0.05) parts.push(`absent for ${event.absence.toFixed(1)} s`);
  if (event.reason) parts.push(event.reason);
  return parts.length ? ` ${parts.join(", ")}` : "";
}

function ageText(seconds) {
  return seconds < 100 ? `${Math.floor(seconds)} s` : `${Math.floor(seconds / 60)} min`;
}
