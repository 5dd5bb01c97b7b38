// The map: points on a canvas, thumbnails when zoomed in, a lasso, and a list for the keyboard.
'use strict';
document.documentElement.classList.add('has-script');

const NONE = 255;
const LISTED = 200;
const THUMBNAILS = 90;
const root = document.querySelector('[data-map]');
const view = root.querySelector('.view');
const canvas = root.querySelector('canvas');
const pen = canvas.getContext('2d');
const tooltip = root.querySelector('.tooltip');
const listed = root.querySelector('.listed');
const dark = matchMedia('(prefers-color-scheme: dark)');

let count = 0, xs, ys, codes = {}, works = null;
let by = 'style', chosen = new Set(), marked = null, pointed = -1;
let scale = 1, left = 0, top_ = 0, ratio = 1, isDrawRequested = false, lasso = null, lassoing = false;
const thumbnails = new Map();

const workLink = (id) => root.dataset.workLink.replace('ID', id.split('/').map(encodeURIComponent).join('/'));
const imageLink = (id) => root.dataset.imageLink.replace('ID', id.split('/').map(encodeURIComponent).join('/'));
const folded = (text) => text.normalize('NFKD').replace(/\p{M}/gu, '').toLowerCase();

async function load() {
  // An exported site has the data as a script, because a page opened from a folder may not fetch.
  const embedded = window.artpipeMap;
  let buffer;
  if (embedded) {
    buffer = Uint8Array.from(atob(embedded.points), (letter) => letter.charCodeAt(0)).buffer;
    works = embedded.works;
  } else {
    const response = await fetch(root.dataset.points);
    if (!response.ok) throw new Error('The map could not be loaded; reload the page.');
    buffer = await response.arrayBuffer();
  }
  count = new DataView(buffer).getUint32(0, true);
  xs = new Uint16Array(buffer, 4, count);
  ys = new Uint16Array(buffer, 4 + 2 * count, count);
  ['style', 'period', 'type'].forEach((task, i) => { codes[task] = new Uint8Array(buffer, 4 + (4 + i) * count, count); });
  fit();
  restoreView();
  root.querySelector('.loading').hidden = true;
  requestDraw();
  if (!works) works = await (await fetch(root.dataset.works)).json();
  restoreMarks();
  root.dataset.ready = 'yes';
  requestDraw();
}

function size() {
  ratio = Math.min(2, devicePixelRatio || 1);
  canvas.width = Math.round(canvas.clientWidth * ratio);
  canvas.height = Math.round(canvas.clientHeight * ratio);
  requestDraw();
}

function fit() {
  const margin = 36;
  scale = Math.min(canvas.clientWidth - 2 * margin, canvas.clientHeight - 2 * margin) / 65535;
  left = (canvas.clientWidth - 65535 * scale) / 2;
  top_ = (canvas.clientHeight - 65535 * scale) / 2;
}

const screenX = (i) => xs[i] * scale + left;
const screenY = (i) => (65535 - ys[i]) * scale + top_;

function requestDraw() {
  if (!isDrawRequested) { isDrawRequested = true; requestAnimationFrame(draw); }
}

function isShown(i) {
  return !chosen.size || chosen.has(codes[by][i]);
}

function inView(margin = 0) {
  const found = [];
  const width = canvas.clientWidth + margin, height = canvas.clientHeight + margin;
  for (let i = 0; i < count; i++) {
    const x = screenX(i), y = screenY(i);
    if (x > -margin && x < width && y > -margin && y < height && isShown(i)) found.push(i);
  }
  return found;
}

function draw() {
  isDrawRequested = false;
  if (!count) return;
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  pen.clearRect(0, 0, canvas.clientWidth, canvas.clientHeight);
  const zoom = scale * 65535 / Math.max(1, Math.min(canvas.clientWidth, canvas.clientHeight));
  const base = Math.max(1.6, Math.min(5, 150 / Math.sqrt(count)));
  const radius = Math.min(9, base * Math.pow(Math.max(1, zoom), 0.45));
  const visible = inView(radius);
  const groups = new Map();
  for (const i of visible) {
    const code = codes[by][i];
    if (!groups.has(code)) groups.set(code, []);
    groups.get(code).push(i);
  }
  pen.globalAlpha = marked ? 0.22 : visible.length > 4000 ? 0.75 : 0.9;
  for (const [code, members] of groups) {
    pen.fillStyle = colours[by].get(code) ?? (dark.matches ? '#77736d' : '#a9adb4');
    if (visible.length > 4000) {
      for (const i of members) pen.fillRect(screenX(i) - radius, screenY(i) - radius, 2 * radius, 2 * radius);
    } else {
      pen.beginPath();
      for (const i of members) {
        const x = screenX(i), y = screenY(i);
        pen.moveTo(x + radius, y);
        pen.arc(x, y, radius, 0, 7);
      }
      pen.fill();
    }
  }
  pen.globalAlpha = 1;
  if (works && visible.length <= THUMBNAILS && zoom > 1.5) drawThumbnails(visible);
  if (marked) {
    pen.strokeStyle = dark.matches ? '#fff' : '#1d1b19';
    pen.lineWidth = 2;
    for (const i of marked) {
      if (!isShown(i)) continue;
      pen.fillStyle = colours[by].get(codes[by][i]) ?? '#a9adb4';
      pen.beginPath();
      pen.arc(screenX(i), screenY(i), radius + 3, 0, 7);
      pen.fill();
      pen.stroke();
    }
  }
  if (lasso?.length > 1) {
    pen.strokeStyle = dark.matches ? '#ee9580' : '#9b3423';
    pen.fillStyle = dark.matches ? 'rgb(238 149 128 / .15)' : 'rgb(155 52 35 / .1)';
    pen.lineWidth = 2;
    pen.beginPath();
    lasso.forEach(([x, y], n) => (n ? pen.lineTo(x, y) : pen.moveTo(x, y)));
    pen.closePath();
    pen.fill();
    pen.stroke();
  }
}

function drawThumbnails(visible) {
  const side = Math.max(36, Math.min(110, Math.sqrt(canvas.clientWidth * canvas.clientHeight / (visible.length + 4)) * 0.5));
  for (const i of visible) {
    let image = thumbnails.get(i);
    if (!image) {
      image = new Image();
      image.onload = requestDraw;
      image.src = imageLink(works.ids[i]);
      thumbnails.set(i, image);
      if (thumbnails.size > 600) thumbnails.delete(thumbnails.keys().next().value);
    }
    if (!image.complete || !image.naturalWidth) continue;
    const shrink = side / Math.max(image.naturalWidth, image.naturalHeight);
    const width = image.naturalWidth * shrink, height = image.naturalHeight * shrink;
    const x = screenX(i) - width / 2, y = screenY(i) - height / 2;
    pen.drawImage(image, x, y, width, height);
    pen.strokeStyle = colours[by].get(codes[by][i]) ?? '#a9adb4';
    pen.lineWidth = 2;
    pen.strokeRect(x, y, width, height);
  }
}

function nearest(x, y, reach = 14) {
  let best = -1, least = reach * reach;
  for (let i = 0; i < count; i++) {
    const dx = screenX(i) - x, dy = screenY(i) - y, square = dx * dx + dy * dy;
    if (square < least && isShown(i)) { least = square; best = i; }
  }
  return best;
}

function point(i, isPinned = false) {
  pointed = i;
  canvas.style.cursor = i < 0 ? '' : 'pointer';
  if (i < 0 || !works) { tooltip.hidden = true; return; }
  const id = works.ids[i];
  tooltip.href = workLink(id);
  tooltip.querySelector('img').src = imageLink(id);
  tooltip.querySelector('.title').textContent = works.titles[i] || 'Untitled';
  tooltip.querySelector('.by').textContent = works.artists[works.artist[i]];
  tooltip.classList.toggle('pinned', isPinned);
  tooltip.hidden = false;
  const x = screenX(i), y = screenY(i);
  tooltip.style.left = `${Math.max(8, x > canvas.clientWidth - 210 ? x - 196 : x + 18)}px`;
  tooltip.style.top = `${Math.max(8, Math.min(canvas.clientHeight - 230, y - 60))}px`;
}

function zoomAt(x, y, factor) {
  const least = Math.min(canvas.clientWidth, canvas.clientHeight) / 65535 * 0.5;
  const next = Math.max(least, Math.min(scale * factor, 2));
  left = x - (x - left) * next / scale;
  top_ = y - (y - top_) * next / scale;
  scale = next;
  point(-1);
  viewChanged();
}

let saving = 0;
function viewChanged() {
  requestDraw();
  clearTimeout(saving);
  saving = setTimeout(saveView, 250);
}

// The address contains the view, so that it can be shared.
function saveView() {
  const state = new URLSearchParams(location.hash.slice(1));
  state.set('x', Math.round((canvas.clientWidth / 2 - left) / scale));
  state.set('y', Math.round((canvas.clientHeight / 2 - top_) / scale));
  state.set('width', Math.round(canvas.clientWidth / scale));
  state.set('by', by);
  chosen.size ? state.set('only', [...chosen].join('.')) : state.delete('only');
  history.replaceState(null, '', '#' + state);
}

function restoreView() {
  const state = new URLSearchParams(location.hash.slice(1));
  const [x, y, width] = ['x', 'y', 'width'].map((name) => parseInt(state.get(name), 10));
  if ([x, y, width].every(Number.isFinite) && width > 0) {
    scale = Math.min(2, canvas.clientWidth / width);
    left = canvas.clientWidth / 2 - x * scale;
    top_ = canvas.clientHeight / 2 - y * scale;
  }
  if (codes[state.get('by')]) colourBy(state.get('by'));
  for (const code of (state.get('only') ?? '').split('.').filter(Boolean)) chosen.add(Number(code));
  updateLegend();
}

function restoreMarks() {
  const state = new URLSearchParams(location.hash.slice(1));
  const ids = state.has('works') ? state.get('works').split('|') : state.has('work') ? [state.get('work')] : [];
  if (ids.length) {
    const requested = new Set(ids);
    const found = [];
    works.ids.forEach((id, i) => { if (requested.has(id)) found.push(i); });
    mark(found, `${found.length} marked`);
    if (ids.length === 1 && found.length && !state.has('x')) {
      scale *= 6;
      left = canvas.clientWidth / 2 - xs[found[0]] * scale;
      top_ = canvas.clientHeight / 2 - (65535 - ys[found[0]]) * scale;
    }
  } else if (state.get('words')) {
    root.querySelector('#map-words').value = state.get('words');
    find(state.get('words'));
  }
}

function mark(found, title) {
  marked = found.length ? found : null;
  list(found, title);
  requestDraw();
}

function list(found, title, focus = false) {
  const items = found.slice(0, LISTED).map((i) => {
    const item = document.createElement('li'), image = new Image(), link = document.createElement('a'), who = document.createElement('span');
    image.loading = 'lazy';
    image.alt = '';
    image.src = imageLink(works.ids[i]);
    link.href = workLink(works.ids[i]);
    link.textContent = works.titles[i] || 'Untitled';
    who.className = 'small';
    who.textContent = ' ' + works.artists[works.artist[i]];
    const text = document.createElement('span');
    text.append(link, who);
    item.append(image, text);
    return item;
  });
  const more = found.length > LISTED ? `, first ${LISTED} listed` : '';
  listed.querySelector('h2').textContent = title + more;
  listed.querySelector('ol').replaceChildren(...items);
  listed.hidden = false;
  listed.querySelector('h2').scrollIntoView({ block: 'nearest' }); // on a phone the list is below the map
  if (focus) listed.querySelector('h2').focus();
}

function find(words) {
  const parts = folded(words).split(/\s+/).filter(Boolean);
  if (!parts.length) { marked = null; listed.hidden = true; requestDraw(); return; }
  const found = [];
  for (let i = 0; i < count; i++) {
    const text = folded(works.titles[i] + '\n' + works.artists[works.artist[i]]);
    if (parts.every((part) => text.includes(part))) found.push(i);
  }
  mark(found, found.length ? `${found.length} found` : 'No work on the map matches');
}

function within(polygon) {
  const found = [];
  for (let i = 0; i < count; i++) {
    if (!isShown(i)) continue;
    const x = screenX(i), y = screenY(i);
    let inside = false;
    for (let a = 0, b = polygon.length - 1; a < polygon.length; b = a++) {
      const [ax, ay] = polygon[a], [bx, by_] = polygon[b];
      if (ay > y !== by_ > y && x < (bx - ax) * (y - ay) / (by_ - ay) + ax) inside = !inside;
    }
    if (inside) found.push(i);
  }
  return found;
}

const colours = {};
for (const legend of root.querySelectorAll('[data-legend]')) {
  const task = legend.dataset.legend;
  colours[task] = new Map();
  for (const button of legend.querySelectorAll('button')) {
    const code = Number(button.dataset.code);
    colours[task].set(code, button.dataset.colour);
    button.addEventListener('click', () => {
      chosen.has(code) ? chosen.delete(code) : chosen.add(code);
      updateLegend();
      viewChanged();
    });
  }
}

function updateLegend() {
  for (const button of root.querySelectorAll(`[data-legend=${by}] button`)) {
    button.setAttribute('aria-pressed', chosen.has(Number(button.dataset.code)));
  }
}

function colourBy(task) {
  by = task;
  chosen = new Set();
  for (const legend of root.querySelectorAll('[data-legend]')) legend.hidden = legend.dataset.legend !== task;
  for (const radio of root.querySelectorAll('[name=by]')) radio.checked = radio.value === task;
  updateLegend();
}

const touches = new Map();
let dragged = 0, spread = 0;
const at = (event) => [event.offsetX, event.offsetY];
canvas.addEventListener('pointerdown', (event) => {
  canvas.setPointerCapture(event.pointerId);
  touches.set(event.pointerId, at(event));
  dragged = 0;
  spread = 0;
  if (touches.size === 1 && (lassoing || event.shiftKey)) { lasso = [at(event)]; point(-1); }
  if (touches.size > 1) lasso = null;
});
canvas.addEventListener('pointermove', (event) => {
  const [x, y] = at(event);
  if (!touches.has(event.pointerId)) { if (event.pointerType === 'mouse') point(nearest(x, y)); return; }
  const [oldX, oldY] = touches.get(event.pointerId);
  touches.set(event.pointerId, [x, y]);
  dragged += Math.abs(x - oldX) + Math.abs(y - oldY);
  if (touches.size === 2) {
    const [[ax, ay], [bx, by_]] = [...touches.values()];
    const now = Math.hypot(ax - bx, ay - by_);
    if (spread) zoomAt((ax + bx) / 2, (ay + by_) / 2, now / spread);
    spread = now;
    left += (x - oldX) / 2;
    top_ += (y - oldY) / 2;
  } else if (lasso) {
    lasso.push([x, y]);
    requestDraw();
  } else if (dragged > 4) {
    left += x - oldX;
    top_ += y - oldY;
    point(-1);
    viewChanged();
  }
});
function release(event) {
  if (!touches.delete(event.pointerId)) return;
  spread = 0;
  if (lasso) {
    const found = lasso.length > 2 ? within(lasso) : [];
    lasso = null;
    setLasso(false);
    if (works) mark(found, `${found.length} inside the lasso`);
  } else if (dragged <= 4 && event.type === 'pointerup') {
    const i = nearest(...at(event), event.pointerType === 'mouse' ? 14 : 24);
    if (i >= 0 && works && event.pointerType === 'mouse') location.assign(workLink(works.ids[i]));
    else point(i, true);
  }
}
canvas.addEventListener('pointerup', release);
canvas.addEventListener('pointercancel', release);
canvas.addEventListener('pointerleave', (event) => { if (event.pointerType === 'mouse' && !touches.size) point(-1); });
canvas.addEventListener('wheel', (event) => {
  event.preventDefault();
  zoomAt(event.offsetX, event.offsetY, Math.exp(-event.deltaY * (event.ctrlKey ? 0.01 : 0.0018)));
}, { passive: false });
canvas.addEventListener('keydown', (event) => {
  const step = 80, [x, y] = [canvas.clientWidth / 2, canvas.clientHeight / 2];
  const keys = {
    ArrowLeft: () => { left += step; }, ArrowRight: () => { left -= step; },
    ArrowUp: () => { top_ += step; }, ArrowDown: () => { top_ -= step; },
    '+': () => zoomAt(x, y, 1.4), '=': () => zoomAt(x, y, 1.4), '-': () => zoomAt(x, y, 1 / 1.4),
    Enter: listView, Escape: () => { marked = null; listed.hidden = true; },
  };
  if (!keys[event.key]) return;
  event.preventDefault();
  keys[event.key]();
  viewChanged();
});

function setLasso(on) {
  lassoing = on;
  view.classList.toggle('lassoing', on);
  root.querySelector('[data-do=lasso]').setAttribute('aria-pressed', on);
}

function listView() {
  if (!works) return;
  const found = inView();
  list(found, `${found.length} in view`, true);
}

const actions = {
  in: () => zoomAt(canvas.clientWidth / 2, canvas.clientHeight / 2, 1.6),
  out: () => zoomAt(canvas.clientWidth / 2, canvas.clientHeight / 2, 1 / 1.6),
  all: () => { fit(); marked = null; chosen = new Set(); updateLegend(); listed.hidden = true; history.replaceState(null, '', location.pathname); viewChanged(); },
  lasso: () => setLasso(!lassoing),
  list: listView,
};
for (const button of root.querySelectorAll('[data-do]')) button.addEventListener('click', () => actions[button.dataset.do]());
for (const radio of root.querySelectorAll('[name=by]')) {
  radio.addEventListener('change', () => { colourBy(radio.value); viewChanged(); });
}
root.querySelector('[data-find]').addEventListener('submit', (event) => {
  event.preventDefault();
  const words = root.querySelector('#map-words').value;
  if (works) find(words);
  const state = new URLSearchParams(location.hash.slice(1));
  state.delete('works');
  state.delete('work');
  words ? state.set('words', words) : state.delete('words');
  history.replaceState(null, '', '#' + state);
});
dark.addEventListener('change', requestDraw);
new ResizeObserver(size).observe(canvas);
size();
load().catch((error) => { root.querySelector('.loading').textContent = error.message; });
