// Keys.

/** `keys` maps event.key (lower case; with Ctrl or Cmd: "ctrl+z") to functions. */
export function watchKeys(keys) {
  addEventListener("keydown", (event) => {
    if (document.querySelector("dialog[open]")) return;
    if (event.target.matches("input:not([type=checkbox], [type=range])")) {
      if (event.key === "Enter" || event.key === "Escape") event.target.blur();
      return;
    }
    const isOnButton = event.target.matches("button, input") && (event.key === " " || event.key === "Enter");
    if (event.altKey || isOnButton) return;
    const prefix = event.ctrlKey || event.metaKey ? "ctrl+" : "";
    const act = keys[prefix + event.key.toLowerCase()];
    if (!act) return;
    event.preventDefault();
    act();
  });
}
