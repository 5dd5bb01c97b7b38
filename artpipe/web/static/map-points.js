// The points of the map, drawn by WebGL; `drawnPoints` is null where the browser has none, and map.js draws them itself.
'use strict';

const VERTICES = `
attribute vec2 place; attribute vec3 tint; attribute float shown;
uniform vec2 size, origin; uniform float scale, diameter, alpha, faint; uniform vec3 plain;
varying vec4 colour;
void main() {
  vec2 at = vec2(place.x, 65535.0 - place.y) * scale + origin;
  gl_Position = vec4(at.x / size.x * 2.0 - 1.0, 1.0 - at.y / size.y * 2.0, 0.0, 1.0);
  gl_PointSize = diameter;
  float opacity = shown > 0.5 ? alpha : faint;
  colour = vec4(shown > 0.5 ? tint : plain, 1.0) * opacity;
}`;
const FRAGMENTS = `
precision mediump float;
varying vec4 colour;
void main() {
  float edge = length(gl_PointCoord - 0.5);
  if (edge > 0.5) discard;
  gl_FragColor = colour * smoothstep(0.5, 0.42, edge);
}`;

function pointLayer(view) {
  const layer = document.createElement('canvas');
  layer.className = 'points';
  layer.setAttribute('aria-hidden', 'true');
  const options = { antialias: false, failIfMajorPerformanceCaveat: true }; // in software it would be slower than map.js
  const gl = layer.getContext('webgl', options);
  if (!gl) return null;
  const program = gl.createProgram();
  for (const [kind, source] of [[gl.VERTEX_SHADER, VERTICES], [gl.FRAGMENT_SHADER, FRAGMENTS]]) {
    const shader = gl.createShader(kind);
    gl.shaderSource(shader, source);
    gl.compileShader(shader);
    gl.attachShader(program, shader);
  }
  gl.linkProgram(program);
  if (!gl.getProgramParameter(program, gl.LINK_STATUS)) return null;
  gl.useProgram(program);
  gl.enable(gl.BLEND);
  gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
  const uniform = (name) => gl.getUniformLocation(program, name);
  const buffers = {};
  let count = 0, isLost = false;
  layer.addEventListener('webglcontextlost', () => { isLost = true; layer.remove(); });
  view.prepend(layer);

  function fill(name, data, components, type, isShare = false) {
    buffers[name] ??= gl.createBuffer();
    gl.bindBuffer(gl.ARRAY_BUFFER, buffers[name]);
    gl.bufferData(gl.ARRAY_BUFFER, data, gl.STATIC_DRAW);
    const place = gl.getAttribLocation(program, name);
    gl.enableVertexAttribArray(place);
    gl.vertexAttribPointer(place, components, type, isShare, 0, 0);
  }

  return {
    get isLost() { return isLost; },
    places(xs, ys) {
      count = xs.length;
      const pairs = new Uint16Array(2 * count);
      for (let i = 0; i < count; i++) { pairs[2 * i] = xs[i]; pairs[2 * i + 1] = ys[i]; }
      fill('place', pairs, 2, gl.UNSIGNED_SHORT);
    },
    shown(shown) { fill('shown', shown, 1, gl.UNSIGNED_BYTE); },
    // The colour of each work by its code; 255, a work without a class, has the colour of those that do not pass.
    colours(codes, list) {
      const parts = list.map((text) => [1, 3, 5].map((at) => parseInt(text.slice(at, at + 2), 16)));
      const tints = new Uint8Array(3 * codes.length);
      codes.forEach((code, i) => tints.set(parts[code], 3 * i));
      fill('tint', tints, 3, gl.UNSIGNED_BYTE, true);
      gl.uniform3fv(uniform('plain'), parts[255].map((part) => part / 255));
    },
    draw({ width, height, ratio, scale, left, top, radius, alpha, faint }) {
      layer.width = Math.round(width * ratio);
      layer.height = Math.round(height * ratio);
      gl.viewport(0, 0, layer.width, layer.height);
      gl.uniform2f(uniform('size'), width, height);
      gl.uniform2f(uniform('origin'), left, top);
      gl.uniform1f(uniform('scale'), scale);
      gl.uniform1f(uniform('diameter'), 2 * radius * ratio);
      gl.uniform1f(uniform('alpha'), alpha);
      gl.uniform1f(uniform('faint'), faint);
      gl.clearColor(0, 0, 0, 0);
      gl.clear(gl.COLOR_BUFFER_BIT);
      gl.drawArrays(gl.POINTS, 0, count);
    },
  };
}
