/** Runs in the browser: shows the room's state, and sends what its user does. */
export const pageScript = `
const count = document.getElementById("count");
const add = document.getElementById("add");
const notes = document.getElementById("notes");
const presence = document.getElementById("presence");
const address = new URL("live", location.href);
address.protocol = address.protocol === "https:" ? "wss:" : "ws:";
let socket;

function say(message) {
  if (socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify(message));
}

function show(room) {
  count.textContent = room.count;
  if (notes && notes.value !== room.notes) notes.value = room.notes;
  const others = room.people.length - 1;
  const who = [...new Set(room.people)].join(", ");
  presence.textContent = others === 0
    ? "1 person is connected: open this address in another window too."
    : room.people.length + " people are connected: " + who + ".";
}

function connect() {
  socket = new WebSocket(address);
  socket.onopen = () => { add.disabled = false; };
  socket.onmessage = (event) => show(JSON.parse(event.data));
  socket.onclose = () => {
    add.disabled = true;
    presence.textContent = "The connection is lost. Trying again …";
    setTimeout(connect, 1000);
  };
}

add.disabled = true;
add.onclick = () => say({ type: "add" });
if (notes) notes.oninput = () => say({ type: "notes", text: notes.value });
connect();
`;
