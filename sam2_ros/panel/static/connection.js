// The WebSocket: connects again by itself, and pairs requests with their answers.

const FIRST_RETRY = 500, LAST_RETRY = 4000; // milliseconds
const SILENCE = 5000; // milliseconds; the server sends its status every second
const ANSWER_TIMEOUT = 20000; // milliseconds
const WRONG_TOKEN = 4401, TOO_BIG = 1009;
export const MAX_MESSAGE = 256 * 1024; // bytes, as the server's

export class Connection {
  /** `on` has functions: message(object), picture(buffer), open(), lost(text). */
  constructor(on) {
    this.on = on;
    this.retry = FIRST_RETRY;
    this.pending = new Map(); // what waits for an answer, by the request's number
    this.number = 0;
    this.connect();
    setInterval(() => this.checkSilence(), 1000);
    document.addEventListener("visibilitychange", () => this.look());
    addEventListener("online", () => this.reconnect());
  }

  get isOpen() {
    return this.socket?.readyState === WebSocket.OPEN;
  }

  connect() {
    clearTimeout(this.timer);
    const address = new URL("socket", location.href);
    address.protocol = location.protocol === "https:" ? "wss:" : "ws:";
    address.hash = "";
    address.search = new URLSearchParams({ token: decodeURIComponent(location.hash.slice(1)) });
    const socket = new WebSocket(address);
    socket.binaryType = "arraybuffer";
    socket.onmessage = (event) => socket === this.socket && this.receive(event.data);
    socket.onclose = (event) => socket === this.socket && this.closed(event);
    this.socket = socket;
    this.heard = performance.now();
  }

  reconnect() {
    if (this.isOpen || this.isRefused) return;
    const old = this.socket;
    this.connect();
    old.close();
  }

  receive(data) {
    this.heard = performance.now();
    if (typeof data !== "string") return this.on.picture(data);
    const message = JSON.parse(data);
    if (message.type === "hello") {
      this.retry = FIRST_RETRY;
      this.on.open();
      this.look();
    }
    if (message.type === "reply" && this.pending.has(message.request)) {
      const { resolve, timer } = this.pending.get(message.request);
      this.pending.delete(message.request);
      clearTimeout(timer);
      resolve(message);
    } else if (message.type === "waiting") {
      this.pending.get(message.request)?.onWaiting?.(message.message);
    } else {
      this.on.message(message);
    }
  }

  closed(event) {
    this.failPending("the connection was lost before the answer: look whether it was carried out");
    this.isRefused = event.code === WRONG_TOKEN;
    if (this.isRefused) return this.on.lost(`Not connected: ${event.reason}.`);
    const why = event.code === TOO_BIG ? "the message was too big" : event.reason || "no connection to the panel";
    this.on.lost(`Not connected: ${why}. Trying again ...`);
    this.timer = setTimeout(() => this.connect(), this.retry);
    this.retry = Math.min(2 * this.retry, LAST_RETRY);
  }

  failPending(message) {
    for (const { resolve, timer } of this.pending.values()) {
      clearTimeout(timer);
      resolve({ ok: false, message });
    }
    this.pending.clear();
  }

  /** A dead network closes nothing: what is silent for long is replaced. */
  checkSilence() {
    if (this.isRefused || performance.now() - this.heard < SILENCE) return;
    const old = this.socket;
    if (old.readyState === WebSocket.CLOSED) return; // a retry is planned
    this.failPending("the connection was lost before the answer: look whether it was carried out");
    this.on.lost("Not connected: the panel is silent. Trying again ...");
    this.connect();
    old.close();
  }

  look() {
    this.send({ type: "look", looking: !document.hidden });
    if (!document.hidden) this.reconnect();
  }

  send(message) {
    if (this.isOpen) this.socket.send(JSON.stringify(message));
  }

  /** The answer {ok, object_id, message}; `onWaiting` is called with the reason if it takes long. */
  request(message, onWaiting) {
    const number = ++this.number;
    const text = JSON.stringify({ ...message, request: number });
    if (!this.isOpen) return Promise.resolve({ ok: false, message: "not connected to the panel" });
    if (text.length > MAX_MESSAGE) {
      return Promise.resolve({ ok: false, message: `the message has ${text.length} bytes, at most ${MAX_MESSAGE}: draw a simpler mask` });
    }
    return new Promise((resolve) => {
      const timer = setTimeout(() => {
        this.pending.delete(number);
        resolve({ ok: false, message: "no answer from the panel" });
      }, ANSWER_TIMEOUT);
      this.pending.set(number, { resolve, onWaiting, timer });
      this.socket.send(text);
    });
  }
}
