// An uploaded photograph on its results page: crop it, and compare it with the work that was recognised in it.
'use strict';

function enhancePhotograph(figure) {
  const image = figure.querySelector('.preview');
  const begin = () => {
    figure.classList.add('has-picture');
    const overlay = makeOverlay(figure, image);
    document.addEventListener('artpipe-verdict', overlay);
    new ResizeObserver(overlay).observe(image);
    enhanceCrop(figure, image);
  };
  if (image.complete && image.naturalWidth) begin();
  else image.addEventListener('load', begin, { once: true });
}

// The work's picture, laid over the photograph where the painting was found in it, and a slider between both.
function makeOverlay(figure, image) {
  const frame = figure.querySelector('.photograph-frame');
  const slider = figure.querySelector('.photograph-slider');
  const clip = document.createElement('div');
  clip.className = 'overlay';
  const work = new Image();
  work.alt = '';
  clip.append(work);
  const slide = () => { clip.style.clipPath = `inset(0 0 0 ${slider.value}%)`; };
  slider.addEventListener('input', slide);
  const draw = () => {
    const corners = JSON.parse(image.dataset.corners ?? 'null');
    const transform = corners && fitted(work, corners.map(([x, y]) => [x * image.width, y * image.height]));
    slider.hidden = !transform;
    if (!transform) { clip.remove(); return; }
    work.style.width = `${work.naturalWidth}px`;
    work.style.height = `${work.naturalHeight}px`;
    work.style.transform = transform;
    if (!clip.isConnected) frame.insertBefore(clip, slider);
    slide();
  };
  work.addEventListener('load', draw);
  return () => {
    const match = document.querySelector('.match[data-overlay] img');
    if (match && work.src !== match.src) work.src = match.src;
    else draw();
  };
}

// The transformation of a picture onto four corners, clockwise from its upper left one; null where it cannot be all of
// the picture, such as a photograph of a detail.
function fitted(picture, corners) {
  const { naturalWidth: width, naturalHeight: height } = picture;
  if (!width) return null;
  const [[x0, y0], [x1, y1], [x2, y2], [x3, y3]] = corners;
  const across = Math.hypot(x1 - x0, y1 - y0) + Math.hypot(x2 - x3, y2 - y3);
  const down = Math.hypot(x3 - x0, y3 - y0) + Math.hypot(x2 - x1, y2 - y1);
  if (!down || Math.abs(Math.log((across / down) / (width / height))) > 0.25) return null;
  // P. Heckbert, "Fundamentals of Texture Mapping and Image Warping", 1989: from the unit square to a quadrilateral.
  const [sx, sy] = [x0 - x1 + x2 - x3, y0 - y1 + y2 - y3];
  const [ax, ay, bx, by] = [x1 - x2, y1 - y2, x3 - x2, y3 - y2];
  const whole = ax * by - bx * ay;
  if (!whole) return null;
  const g = (sx * by - bx * sy) / whole;
  const h = (ax * sy - sx * ay) / whole;
  const across3 = [x1 - x0 + g * x1, y1 - y0 + g * y1, 0, g].map((one) => one / width);
  const down3 = [x3 - x0 + h * x3, y3 - y0 + h * y3, 0, h].map((one) => one / height);
  return `matrix3d(${[...across3, ...down3, 0, 0, 1, 0, x0, y0, 0, 1].join(',')})`;
}

// A box with a handle at each corner, moved by pointer or arrow keys; what is in it is searched for instead.
function enhanceCrop(figure, image) {
  const frame = figure.querySelector('.photograph-frame');
  const box = figure.querySelector('.crop-box');
  const [start, search, cancel] = ['start', 'search', 'cancel'].map((name) => figure.querySelector(`[data-crop=${name}]`));
  let ends = { x: [0, 1], y: [0, 1] }; // left and right, top and bottom, as fractions
  const draw = () => {
    box.style.left = `${100 * ends.x[0]}%`;
    box.style.right = `${100 - 100 * ends.x[1]}%`;
    box.style.top = `${100 * ends.y[0]}%`;
    box.style.bottom = `${100 - 100 * ends.y[1]}%`;
  };
  const open = (isOpen) => {
    box.hidden = search.hidden = cancel.hidden = !isOpen;
    start.hidden = isOpen;
    figure.classList.toggle('cropping', isOpen);
  };
  const move = (axis, end, to) => {
    const [first, last] = ends[axis];
    ends[axis][end] = end === 0 ? Math.min(Math.max(0, to), last - 0.05) : Math.max(Math.min(1, to), first + 0.05);
  };
  start.addEventListener('click', () => {
    const corners = JSON.parse(image.dataset.corners ?? '[[0.08,0.08],[0.92,0.92]]');
    const span = (axis) => {
      const along = corners.map((one) => Math.min(1, Math.max(0, one[axis])));
      return [Math.min(...along), Math.max(...along)];
    };
    ends = { x: span(0), y: span(1) };
    draw();
    open(true);
    box.querySelector('button').focus();
  });
  cancel.addEventListener('click', () => { open(false); start.focus(); });
  for (const handle of box.querySelectorAll('button')) {
    const [x, y] = [...handle.dataset.corner].map(Number);
    handle.addEventListener('pointerdown', (event) => handle.setPointerCapture(event.pointerId));
    handle.addEventListener('pointermove', (event) => {
      if (!handle.hasPointerCapture(event.pointerId)) return;
      const around = frame.getBoundingClientRect();
      move('x', x, (event.clientX - around.left) / around.width);
      move('y', y, (event.clientY - around.top) / around.height);
      draw();
    });
    handle.addEventListener('keydown', (event) => {
      const [dx, dy] = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key] ?? [0, 0];
      if (!dx && !dy) return;
      event.preventDefault();
      if (dx) move('x', x, ends.x[x] + 0.02 * dx);
      if (dy) move('y', y, ends.y[y] + 0.02 * dy);
      draw();
    });
  }
  search.addEventListener('click', async () => {
    const canvas = document.createElement('canvas');
    const [left, top] = [ends.x[0] * image.naturalWidth, ends.y[0] * image.naturalHeight];
    canvas.width = Math.max(1, Math.round(ends.x[1] * image.naturalWidth - left));
    canvas.height = Math.max(1, Math.round(ends.y[1] * image.naturalHeight - top));
    canvas.getContext('2d').drawImage(image, -left, -top);
    const part = await new Promise((done) => canvas.toBlob(done, 'image/jpeg', 0.92));
    // The visitor has chosen: the server need not look for the painting in it.
    upload(figure, new File([part], 'part.jpg', { type: 'image/jpeg' }), '?crop=0,0,1,1');
  });
}
