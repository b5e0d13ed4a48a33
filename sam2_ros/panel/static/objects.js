// The list of objects: name, state and presence; a click selects.

const STATES = { visible: () => "in view", occluded: (s) => `occluded ${s} s`, lost: (s) => `lost ${s} s` };

export function stateText(track) {
  return STATES[track.state](track.absence.toFixed(1));
}

export class ObjectList {
  constructor(list, empty, onSelect) {
    this.list = list;
    this.empty = empty;
    this.onSelect = onSelect;
    this.rows = new Map(); // by object id
  }

  update(tracks, { selected, target, colourOf }) {
    this.empty.hidden = tracks.length > 0;
    const ids = new Set(tracks.map((track) => track.id));
    for (const [id, row] of this.rows) {
      if (!ids.has(id)) {
        row.item.remove();
        this.rows.delete(id);
      }
    }
    for (const track of tracks) {
      const row = this.rows.get(track.id) ?? this.add(track.id, colourOf(track.id));
      row.name.textContent = `${track.id === target ? "★ " : ""}${track.id} ${track.label}`;
      row.state.textContent = stateText(track);
      row.state.dataset.state = track.state;
      row.presence.value = track.presence;
      row.button.setAttribute("aria-pressed", String(track.id === selected));
    }
  }

  add(id, colour) {
    const item = document.createElement("li");
    const button = document.createElement("button");
    button.dataset.id = id;
    button.style.setProperty("--colour", colour);
    button.addEventListener("click", () => this.onSelect(id));
    const name = Object.assign(document.createElement("span"), { className: "name" });
    const state = Object.assign(document.createElement("span"), { className: "state" });
    const presence = Object.assign(document.createElement("meter"), { min: 0, max: 1, low: 0.5, title: "Presence" });
    presence.setAttribute("aria-label", `Presence of object ${id}`);
    button.append(document.createElement("span"), name, state, presence);
    item.append(button);
    this.list.append(item);
    const row = { item, button, name, state, presence };
    this.rows.set(id, row);
    return row;
  }
}
