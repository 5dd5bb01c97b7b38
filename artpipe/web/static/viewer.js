// Zoom into a work's picture: the stored copy at once, and over it the source's own where this server passes it on.
// Without this file the link on the picture leads to the same picture.
'use strict';
document.documentElement.classList.add('has-script');

const dialog = document.querySelector('[data-viewer]');
const zoomLink = document.querySelector('[data-zoom]');
const note = dialog.querySelector('.viewer-note');
let viewer = null;

zoomLink.addEventListener('click', (event) => {
  if (event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  dialog.showModal();
  open().catch(() => location.assign(zoomLink.href));
});

// OpenSeadragon is large, so only those who zoom load it.
function loadLibrary() {
  return new Promise((done, failed) => {
    if (window.OpenSeadragon) return done();
    // It adds a style sheet, which the page's security policy forbids, unless it finds this mark of one.
    const mark = document.createElementNS('urn:artpipe', 'style');
    mark.setAttribute('data-openseadragon-mobile-css', 'true');
    const script = document.createElement('script');
    script.src = dialog.dataset.library;
    script.onload = done;
    script.onerror = failed;
    document.head.append(mark, script);
  });
}

async function open() {
  if (viewer) return;
  await loadLibrary();
  const isStill = matchMedia('(prefers-reduced-motion: reduce)').matches;
  viewer = window.OpenSeadragon({
    element: dialog.querySelector('.viewer-picture'),
    drawer: 'canvas',
    showNavigationControl: false,
    animationTime: isStill ? 0 : 0.5,
    maxZoomPixelRatio: 8,
    visibilityRatio: 0.5,
    tileSources: { type: 'image', url: dialog.dataset.stored },
  });
  viewer.addOnceHandler('open', () => {
    const stored = viewer.world.getItemAt(0);
    say(`The stored copy, ${sizeOf(stored)}.`);
    dialog.dataset.ready = 'stored';
    if (dialog.dataset.original) showOriginal(stored);
  });
  viewer.canvas.focus();
}

function showOriginal(stored) {
  const { original, host } = dialog.dataset;
  say(`Loading the original from ${host} …`);
  viewer.addSimpleImage({
    url: original,
    success: ({ item }) => {
      item.fitBounds(stored.getBounds(true), undefined, true);
      say(`The original from ${host}, ${sizeOf(item)}.`);
      dialog.dataset.ready = 'original';
    },
    error: () => {
      say(`${host} does not send the original at present. This is the stored copy, ${sizeOf(stored)}.`);
      dialog.dataset.ready = 'failed';
    },
  });
}

function sizeOf(item) {
  const { x, y } = item.getContentSize();
  return `${x.toLocaleString('en')} × ${y.toLocaleString('en')} pixels`;
}

function say(text) {
  note.textContent = text;
}

const actions = {
  in: () => viewer?.viewport.zoomBy(1.6).applyConstraints(),
  out: () => viewer?.viewport.zoomBy(1 / 1.6).applyConstraints(),
  all: () => viewer?.viewport.goHome(),
  close: () => dialog.close(),
};
for (const button of dialog.querySelectorAll('[data-do]')) {
  button.addEventListener('click', () => actions[button.dataset.do]());
}
