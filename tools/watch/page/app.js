// Shows each state that the watch sends, and tells it what people say.
const MARKS = { spill: "▲", obstructed: "■", silent: "●", clear: "✓", photo: "" };
const WORDS = { spill: "Spill", obstructed: "Blocked", silent: "No photo", clear: "Clear", photo: "Photo" };
const VERDICTS = { spill: "a spill", "false alarm": "a false alarm", unsure: "as unsure" };
const KEYS = { s: "spill", f: "false alarm", c: "unsure" };
// Milliseconds without a word after which the connection counts as lost; it speaks every 2 s.
const LOST = 5000;
// Scores are drawn from LOW to so many times the threshold.
const [LOW, HIGH] = [-2, 3];
const byId = (id) => document.getElementById(id);
const dialog = byId("look");
const announced = new Set();
// The last state; the number of the alarm that keys act on; the photo in the dialog.
let [state, chosen, looked] = [null, null, null];
let [heard, ahead] = [performance.now(), 0];

const serverNow = () => Date.now() / 1000 + ahead;
const clock = (wall) => new Date(wall * 1000).toLocaleTimeString("en-GB");
const isOpen = (alarm) => alarm.ended === null || alarm.acknowledged === null;
// One digit after the point, and no minus before a zero.
const short = (score) => (Math.round(score * 10) / 10 || 0).toFixed(1);
const many = (count, one) => `${count} ${one}${count === 1 ? "" : "s"}`;

function ago(wall) {
  const seconds = Math.max(0, Math.round(serverNow() - wall));
  if (seconds < 120) return `${seconds} s ago`;
  return seconds < 7200 ? `${Math.round(seconds / 60)} min ago` : clock(wall);
}

function put(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

function picture(image, url) {
  // One at a time, so that a slow line shows old photos rather than none.
  if (image.dataset.url === url || (image.dataset.url && !image.complete)) return;
  image.dataset.url = url;
  image.src = url;
}

// Makes a list's children those of items, in their order, without touching those that stay.
function sync(list, template, items, key, fill) {
  const wanted = new Set(items.map((item) => String(key(item))));
  for (const child of [...list.children]) {
    if (wanted.has(child.dataset.key)) continue;
    if (child.contains(document.activeElement)) list.focus();
    child.remove();
  }
  items.forEach((item, index) => {
    let child = list.children[index];
    if (child?.dataset.key !== String(key(item))) {
      child = [...list.children].find((one) => one.dataset.key === String(key(item)))
        ?? byId(template).content.firstElementChild.cloneNode(true);
      child.dataset.key = key(item);
      list.insertBefore(child, list.children[index] ?? null);
    }
    fill(child, item);
  });
}

function fillAlarm(card, alarm) {
  const find = (name) => card.querySelector(name);
  const active = alarm.ended === null;
  card.className = `alarm ${alarm.kind}`;
  card.classList.toggle("active", active);
  card.classList.toggle("waiting", alarm.acknowledged === null);
  card.classList.toggle("chosen", isOpen(alarm) && alarm.id === chosen);
  put(find(".mark"), MARKS[alarm.kind]);
  put(find(".kind"), WORDS[alarm.kind]);
  put(find(".where"), `· ${alarm.well}`);
  const end = active ? `${ago(alarm.began)}, still on` : `over since ${clock(alarm.ended)}`;
  put(find(".when"), alarm.id === null ? clock(alarm.began) : `${clock(alarm.began)}, ${end}`);
  const limit = `limit ${short(state.threshold)}`;
  put(find(".score"), alarm.score === null ? "" : `score ${short(alarm.score)}, ${limit}`);
  for (const name of ["photo", "heat"]) {
    find(`.${name}`).hidden = alarm.photo === null;
    if (alarm.photo !== null) picture(find(`.${name}`), `/api/${name}/${alarm.photo}.png`);
  }
  find(".acknowledge").hidden = alarm.acknowledged !== null;
  for (const button of card.querySelectorAll("[data-verdict]")) {
    button.hidden = alarm.photo === null;
    button.setAttribute("aria-pressed", button.dataset.verdict === alarm.verdict);
  }
  put(find(".judged"), alarm.verdict ? `Judged ${VERDICTS[alarm.verdict]}, ${clock(alarm.judged)}` : "");
}

function fillWell(tile, well) {
  const find = (name) => tile.querySelector(name);
  tile.className = `well ${well.state}`;
  put(find("h3"), well.well);
  put(find(".mark"), MARKS[well.state]);
  put(find(".word"), WORDS[well.state]);
  picture(find(".photo"), `/api/photo/${well.photo}.png`);
  find(".look").setAttribute("aria-label", `${well.well}: last photo, open its decision map`);
  put(find(".last"), `${short(well.score)} ${well.spill ? "spill" : "normal"}, ${ago(well.wall)}`);
  const normals = `normals ${short(well.normal_mean)}, drift ${short(well.drift)}`;
  put(find(".normals"), well.normal_mean === null ? "" : normals);
  drawScores(find("svg"), well.history);
}

function drawScores(svg, history) {
  const high = HIGH * Math.max(state.threshold, 1);
  const y = (score) => 38 - 36 * (Math.min(Math.max(score, LOW), high) - LOW) / (high - LOW);
  const first = history.length ? history[0][0] : 0;
  const span = Math.max(serverNow() - first, 1);
  const x = (wall) => Math.min(99, (wall - first) / span * 99);
  const points = history.map(([wall, score]) => [x(wall).toFixed(2), y(score).toFixed(2), score]);
  svg.querySelector("polyline").setAttribute("points", points.map((p) => `${p[0]},${p[1]}`).join(" "));
  const above = points.filter((p) => p[2] >= state.threshold);
  svg.querySelector("path").setAttribute("d", above.map((p) => `M${p[0]} ${p[1]}h.01`).join(""));
  for (const end of ["y1", "y2"]) svg.querySelector("line").setAttribute(end, y(state.threshold));
}

function summary(open) {
  const unseen = open.filter((alarm) => alarm.acknowledged === null).length;
  const unclear = state.wells.filter((well) => well.state !== "clear").length;
  const problems = state.health.problems.length;
  if (unseen) return ["alarm", `${many(unseen, "alarm")} to acknowledge`];
  if (problems) return ["trouble", `${many(problems, "problem")} with the watch`];
  if (unclear) return ["trouble", `${unclear} of ${many(state.wells.length, "well")} not clear`];
  return ["calm", state.wells.length ? `${many(state.wells.length, "well")}, all clear` : "No photo yet"];
}

function show() {
  const open = state.alarms.filter(isOpen);
  if (!open.some((alarm) => alarm.id === chosen)) {
    chosen = (open.find((alarm) => alarm.acknowledged === null) ?? open[0])?.id ?? null;
  }
  const [mood, text] = summary(open);
  document.body.className = mood;
  put(byId("summary"), text);
  document.title = mood === "calm" ? "Watch" : text;
  byId("alarms").hidden = !open.length;
  sync(byId("open"), "alarm", open, (alarm) => alarm.id, fillAlarm);
  sync(byId("past"), "alarm", state.alarms.filter((one) => !isOpen(one)), (one) => one.id, fillAlarm);
  const wells = [...state.wells].sort((a, b) => a.well.localeCompare(b.well, "en", { numeric: true }));
  byId("wells").dataset.size = wells.length > 12 ? "small" : wells.length > 4 ? "middle" : "large";
  sync(byId("wells"), "well", wells, (well) => well.well, fillWell);
  const { rate, p95, waiting, photos, problems } = state.health;
  put(byId("rate"), short(rate));
  put(byId("p95"), p95?.toFixed(2) ?? "–");
  put(byId("waiting"), waiting.toLocaleString("en"));
  put(byId("photos"), photos.toLocaleString("en"));
  put(byId("problems"), problems.join("\n"));
  for (const alarm of open.filter((one) => one.acknowledged === null && !announced.has(one.id))) {
    announced.add(alarm.id);
    put(byId("said"), `Alarm: ${WORDS[alarm.kind]}, ${alarm.well}`);
  }
}

async function tell(path, body) {
  try {
    const headers = { "Content-Type": "application/json" };
    const answer = await fetch(path, { method: "POST", headers, body: JSON.stringify(body) });
    if (!answer.ok) throw new Error(await answer.text());
    put(byId("failed"), "");
    return true;
  } catch (error) {
    put(byId("failed"), `Not noted: ${error.message}`);
    return false;
  }
}

const acknowledge = ({ well, kind }) => tell("/api/acknowledge", { well, kind });

async function judge(alarm, verdict) {
  const noted = await tell("/api/judge", { photo: alarm.photo, verdict });
  // The state tells nothing of a photo that raised no alarm.
  if (!noted || alarm !== looked) return;
  fillAlarm(dialog.lastElementChild, Object.assign(looked, { verdict, judged: serverNow() }));
}

function look(well) {
  const { wall, photo, score } = well;
  looked = { id: null, well: well.well, kind: "photo", began: wall, ended: wall, acknowledged: wall,
    photo, score, verdict: null };
  dialog.querySelector(".alarm")?.remove();
  dialog.append(byId("alarm").content.firstElementChild.cloneNode(true));
  fillAlarm(dialog.lastElementChild, looked);
  dialog.showModal();
}

const alarmOf = (node) => dialog.contains(node) ? looked
  : state?.alarms.find((alarm) => String(alarm.id) === node.closest?.(".alarm")?.dataset.key);

addEventListener("click", ({ target }) => {
  const button = target.closest("button");
  const alarm = button && alarmOf(button);
  if (button?.matches(".acknowledge")) acknowledge(alarm);
  else if (button?.dataset.verdict) judge(alarm, button.dataset.verdict);
  else if (button?.matches(".look")) {
    look(state.wells.find((well) => well.well === button.closest(".well").dataset.key));
  }
});

addEventListener("focusin", ({ target }) => {
  const alarm = alarmOf(target);
  if (alarm && isOpen(alarm)) chosen = alarm.id;
});

addEventListener("keydown", (event) => {
  if (!state || event.repeat || event.ctrlKey || event.metaKey || event.altKey) return;
  const key = event.key.toLowerCase();
  const open = state.alarms.filter(isOpen);
  const here = alarmOf(document.activeElement) ?? open.find((alarm) => alarm.id === chosen);
  if (key === "n" && open.length) {
    chosen = open[(open.findIndex((alarm) => alarm.id === chosen) + 1) % open.length].id;
  } else if (key === "a" && !dialog.open) {
    const next = [here, ...open].find((alarm) => alarm && alarm.acknowledged === null);
    if (next) [chosen] = [next.id, acknowledge(next)];
  } else if (KEYS[key] && here && here.photo !== null) judge(here, KEYS[key]);
  show();
});

// A line that was cut tells neither end: silence, too, ends a connection.
function connect() {
  const source = new EventSource("/api/events");
  let silence = setTimeout(again, LOST);
  function again() {
    clearTimeout(silence);
    source.close();
    setTimeout(connect, 1000);
  }
  source.onerror = again;
  source.onmessage = ({ data }) => {
    clearTimeout(silence);
    silence = setTimeout(again, LOST);
    state = JSON.parse(data);
    heard = performance.now();
    ahead = state.wall - Date.now() / 1000;
    tick();
    show();
  };
}

function tick() {
  const lost = performance.now() - heard > LOST;
  document.documentElement.classList.toggle("lost", lost);
  const since = state ? `since ${clock(state.wall)}: what stands here is old` : "yet";
  put(byId("lost"), lost ? `No word from the watch ${since}. Is it running?` : "");
  put(byId("clock"), lost ? "–" : clock(serverNow()));
  if (!lost) return;
  document.body.className = "trouble";
  put(byId("summary"), document.title = "Connection lost");
}

// A token, given once, is a cookie now.
history.replaceState(null, "", "/");
connect();
setInterval(tick, 500);
