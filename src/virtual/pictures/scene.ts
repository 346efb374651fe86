/**
 * The test scene that the virtual camera looks at: a conveyor with parts passing under a clock, a frame counter
 * and a colour chart. Every picture of a loop differs from its neighbours, the loop has no seam, and left and
 * right, top and bottom can be told apart.
 */
const VIEW_WIDTH = 320;
const VIEW_HEIGHT = 240;

/** Parts on the belt repeat after this many units; a loop moves the belt by a whole round of them. */
const PART_SPACING = 64;
const PART_COUNT = 6;
const BELT_LENGTH = PART_SPACING * PART_COUNT;
const BELT_TOP = 132;
const BELT_BOTTOM = 208;
const PART_Y = 168;

const CHART = ['#d02020', '#20a030', '#2040c0', '#e0c020', '#20a0b0', '#b030a0', '#f0f0f0', '#202020'];

/** Segments that are lit for each digit, bits a to g. */
const DIGITS = [0x3f, 0x06, 0x5b, 0x4f, 0x66, 0x6d, 0x7d, 0x07, 0x7f, 0x6f];
/** The seven segments of a digit of 12 by 22 units, as lines. */
const SEGMENTS = ['M1 0H11', 'M12 1V10', 'M12 12V21', 'M1 22H11', 'M0 12V21', 'M0 1V10', 'M1 11H11'];

/** Picture `index` of a loop of `count`, as an SVG that fills a frame of `width` by `height` pixels. */
export function drawScene(width: number, height: number, index: number, count: number): string {
  const phase = index / count;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${VIEW_WIDTH} ${VIEW_HEIGHT}" preserveAspectRatio="xMidYMid slice">`,
    '<defs><linearGradient id="wall" x2="0" y2="1"><stop stop-color="#b4c2cc"/><stop offset="1" stop-color="#6d7f8d"/></linearGradient>',
    '<radialGradient id="brass" cx=".35" cy=".3"><stop stop-color="#f6dfa0"/><stop offset="1" stop-color="#8a6520"/></radialGradient>',
    '<linearGradient id="steel" x2="1" y2="1"><stop stop-color="#f0f4f8"/><stop offset="1" stop-color="#7c8894"/></linearGradient></defs>',
    wall(),
    chart(),
    clock(phase),
    counter(index),
    belt(phase),
    lamp(phase),
    '</svg>',
  ].join('');
}

function wall(): string {
  const panels = [80, 160, 240].map((x) => `<path d="M${x} 0V132" stroke="#5d6d79" stroke-width="1.5"/>`);
  const rivets = [12, 68, 92, 148, 172, 228, 252, 308].map(
    (x) => `<circle cx="${x}" cy="124" r="2" fill="#4e5b66"/>`,
  );
  return `<rect width="320" height="240" fill="url(#wall)"/>${panels.join('')}${rivets.join('')}`;
}

function chart(): string {
  const patches = CHART.map(
    (colour, at) =>
      `<rect x="${14 + (at % 4) * 15}" y="${70 + Math.floor(at / 4) * 15}" width="15" height="15" fill="${colour}"/>`,
  );
  return `<rect x="12" y="68" width="64" height="34" fill="#111"/>${patches.join('')}`;
}

function clock(phase: number): string {
  const ticks = Array.from(
    { length: 12 },
    (_, hour) =>
      `<path d="M0-36V-${hour % 3 === 0 ? 28 : 32}" stroke="#222" stroke-width="2.5" transform="rotate(${hour * 30})"/>`,
  );
  return [
    '<g transform="translate(266 56)"><circle r="44" fill="#30363c"/><circle r="40" fill="#f4f2ea"/>',
    ticks.join(''),
    '<path d="M0 6V-20" stroke="#222" stroke-width="4" transform="rotate(52)"/>',
    `<path d="M0 9V-34" stroke="#c02020" stroke-width="2.5" transform="rotate(${round(phase * 360)})"/>`,
    '<circle r="3.5" fill="#222"/></g>',
  ].join('');
}

function counter(index: number): string {
  const digits = String(index % 1000).padStart(3, '0');
  const lit = [...digits].map((digit, place) => {
    const paths = SEGMENTS.filter((_, bit) => ((DIGITS[Number(digit)]! >> bit) & 1) === 1).join('');
    return `<path d="${paths}" transform="translate(${22 + place * 20} 22)"/>`;
  });
  return `<rect x="12" y="12" width="72" height="42" rx="4" fill="#101418"/><g stroke="#40ff70" stroke-width="3" stroke-linecap="round" fill="none">${lit.join('')}</g>`;
}

function belt(phase: number): string {
  const shift = phase * BELT_LENGTH;
  const slats = Array.from({ length: BELT_LENGTH / 16 + 1 }, (_, slat) => {
    const x = round(((slat * 16 + shift) % BELT_LENGTH) - 32);
    return `<path d="M${x} ${BELT_TOP + 4}V${BELT_BOTTOM - 4}" stroke="#1c1d20" stroke-width="2"/>`;
  });
  const parts = Array.from({ length: PART_COUNT }, (_, number) =>
    part(number, round(((number * PART_SPACING + shift) % BELT_LENGTH) - 32), phase),
  );
  const rollers = [20, 90, 160, 230, 300].map(
    (x) =>
      `<g transform="translate(${x} 222) rotate(${round(phase * 1440)})"><circle r="12" fill="#3a4048"/><path d="M-9 0H9" stroke="#99a4ae" stroke-width="3"/></g>`,
  );
  return [
    `<rect y="${BELT_TOP}" width="320" height="${BELT_BOTTOM - BELT_TOP}" fill="#33353a"/>`,
    slats.join(''),
    `<path d="M0 ${BELT_TOP}H320M0 ${BELT_BOTTOM}H320" stroke="#d8a018" stroke-width="4"/>`,
    parts.join(''),
    '<rect y="210" width="320" height="30" fill="#22262a"/>',
    rollers.join(''),
  ].join('');
}

/** Washers, nuts and gears in turn; the last part of the round has a flaw. */
function part(number: number, x: number, phase: number): string {
  const turn = round(phase * 360 + number * 25);
  const at = `<g transform="translate(${x} ${PART_Y}) rotate(${turn})" stroke="#202020" stroke-width="1.5">`;
  const hole = '<circle r="9" fill="#2b2d31"/>';
  const flaw =
    number === PART_COUNT - 1 ? '<path d="M11 11L20 20M20 11L11 20" stroke="#e02020" stroke-width="4"/>' : '';
  if (number % 3 === 0) return `${at}<circle r="23" fill="url(#brass)"/>${hole}${flaw}</g>`;
  if (number % 3 === 1) {
    return `${at}<path d="M24 0L12 21L-12 21L-24 0L-12-21L12-21Z" fill="url(#steel)"/>${hole}${flaw}</g>`;
  }
  const teeth = Array.from(
    { length: 8 },
    (_, tooth) =>
      `<rect x="-4" y="-26" width="8" height="10" fill="#4c7fa8" transform="rotate(${tooth * 45})"/>`,
  );
  return `${at}${teeth.join('')}<circle r="20" fill="#5f97c4"/>${hole}${flaw}</g>`;
}

/** A lamp that is on for a quarter of the loop. */
function lamp(phase: number): string {
  const colour = phase % 0.5 < 0.125 ? '#ff4030' : '#5a1a14';
  return `<rect x="104" y="104" width="16" height="28" fill="#3c444c"/><circle cx="112" cy="98" r="10" fill="${colour}" stroke="#222" stroke-width="2"/>`;
}

const round = (value: number): number => Math.round(value * 100) / 100;
