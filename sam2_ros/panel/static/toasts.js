// Short messages over the picture.

const SHOWN = 4;
const DURATION = 6000; // milliseconds

/** Show a message, "good", "wrong" or "waiting"; returns a function that removes it. */
export function toast(text, kind = "good") {
  const list = document.getElementById("toasts");
  const item = Object.assign(document.createElement("li"), { textContent: text, className: `is-${kind}` });
  list.append(item);
  while (list.children.length > SHOWN) list.firstChild.remove();
  const remove = () => item.remove();
  setTimeout(remove, DURATION);
  return remove;
}
