// The part of RE2's syntax that the cases use, translated to JavaScript. A pattern that RE2 refuses gives undefined; what is neither known as
// good nor as bad throws, so that nobody adds a case whose answer was guessed.

const classes = { d: '0-9', w: '0-9A-Za-z_', s: '\\t\\n\\f\\r ' };
const scripts = { L: '\\p{L}', Lu: '\\p{Lu}', N: '\\p{N}', Greek: '\\p{Script=Greek}', Cyrillic: '\\p{Script=Cyrillic}' };

/** A RegExp whose test says whether the pattern is found, or undefined when the pattern is not RE2. */
export function compilePattern(pattern, ignoreCase) {
  try {
    return translate([...pattern], ignoreCase);
  } catch (e) {
    if (e instanceof Refused) return undefined;
    throw e;
  }
}

class Refused extends Error {}

function translate(p, ignoreCase) {
  let i = 0;
  let flags = ignoreCase ? 'iu' : 'u';
  let dotAll = false;
  const take = (s) => {
    if (p.slice(i, i + s.length).join('') !== s) return false;
    i += s.length;
    return true;
  };
  if (take('(?i)')) flags = 'iu';
  if (take('(?s)')) dotAll = true;

  function alternatives(depth) {
    let out = '';
    let quantifiable = false;
    while (i < p.length) {
      if (p[i] === ')') {
        if (depth === 0) throw new Refused('unexpected )');
        return out;
      }
      if (take('|')) {
        out += '|';
        quantifiable = false;
        continue;
      }
      const q = quantifier();
      if (q !== undefined) {
        if (!quantifiable) throw new Refused('nothing to repeat');
        out += q;
        quantifiable = false; // RE2 refuses a** as well
        continue;
      }
      out += atom(depth);
      quantifiable = true;
    }
    if (depth > 0) throw new Refused('missing )');
    return out;
  }

  function quantifier() {
    const m = /^(?:[*+?]|\{\d+(?:,\d*)?\})/.exec(p.slice(i, i + 16).join(''));
    if (!m) return undefined;
    const numbers = (m[0].match(/\d+/g) ?? []).map(Number);
    if (numbers.some((n) => n > 1000) || (numbers.length === 2 && numbers[0] > numbers[1])) throw new Refused('repeat count');
    i += m[0].length;
    return m[0] + (take('?') ? '?' : '');
  }

  function atom(depth) {
    if (take('(?:')) return `(?:${inner(depth)})`;
    if (take('(?P<')) {
      const name = /^\w+>/.exec(p.slice(i).join(''));
      if (!name) throw new Refused('group name');
      i += name[0].length;
      return `(?:${inner(depth)})`;
    }
    if (take('(?')) throw new Refused('(? that RE2 does not have'); // look-around; flags elsewhere are not used
    if (take('(')) return `(?:${inner(depth)})`;
    if (take('[')) return set();
    if (take('.')) return dotAll ? '[^]' : '[^\\n]';
    if (take('^')) return '^';
    if (take('$')) return '$';
    if (take('\\')) return escape();
    const c = p[i++];
    return /[{}\]\/]/.test(c) ? `\\${c}` : c;
  }

  function inner(depth) {
    const s = alternatives(depth + 1);
    if (!take(')')) throw new Refused('missing )');
    return s;
  }

  function escape() {
    if (i >= p.length) throw new Refused('trailing backslash');
    const c = p[i++];
    if (c in classes) return `[${classes[c]}]`;
    if (c === 'D' || c === 'W' || c === 'S') return `[^${classes[c.toLowerCase()]}]`;
    if (c === 'A') return '^';
    if (c === 'z') return '$';
    if (c === 'b' || c === 'B' || c === 'n' || c === 't') return `\\${c}`;
    if (c === 'p') return property();
    if (/[1-9Z]/.test(c)) throw new Refused('not in RE2');
    if (/[.*+?()[\]{}|^$\\/]/.test(c)) return `\\${c}`;
    if (c === '-') return '-';
    throw new Error(`unknown to this translation: \\${c}`);
  }

  function property() {
    const m = /^(?:\{(\w+)\}|(\w))/.exec(p.slice(i, i + 20).join(''));
    const name = m && (m[1] ?? m[2]);
    if (!name) throw new Refused('property');
    if (!(name in scripts)) {
      if (name === 'Nothing') throw new Refused('property');
      throw new Error(`unknown to this translation: \\p{${name}}`);
    }
    i += m[0].length;
    return scripts[name];
  }

  function set() {
    let out = take('^') ? '[^' : '[';
    let first = true;
    while (i < p.length) {
      if (p[i] === ']' && !first) {
        i++;
        return `${out}]`;
      }
      first = false;
      if (p[i] === '[') throw new Error('unknown to this translation: [ in a set');
      if (take('\\')) {
        const c = p[i++];
        if (c in classes) out += classes[c];
        else if (c === 'p') out += property();
        else if (/[.\-\]\\^]/.test(c)) out += `\\${c}`;
        else throw new Error(`unknown to this translation: \\${c} in a set`);
        continue;
      }
      const range = /^(.)-([^\]])/u.exec(p.slice(i, i + 3).join(''));
      if (range && range[1].codePointAt(0) > range[2].codePointAt(0)) throw new Refused('range');
      out += p[i++];
    }
    throw new Refused('missing ]');
  }

  const source = alternatives(0);
  return new RegExp(source, flags);
}

// What a pattern counts when it is written out. A token that this does not know throws.
const token = new RegExp(
  [
    '(?<class>\\\\[dDwWsS]|\\\\p\\{\\w+\\}|\\\\p\\w|\\[\\^?\\]?(?:\\\\.|[^\\]\\\\])*\\])',
    '(?<one>\\\\[^pxQE0-9dDwWsS])',
    '(?<flags>\\(\\?[ims]+\\))',
    '(?<open>\\((?:\\?P?<\\w+>|\\?:)?)',
    '(?<close>\\))',
    '(?<times>(?:[*+?]|\\{(?:0|[1-9]\\d*)(?:,(?:0|[1-9]\\d*)?)?\\})\\??)',
    '(?<char>[^\\\\])',
  ].join('|'),
  'suy',
);

/** How many characters, classes, assertions, groups and bars there are, with counted repetitions written out. The pattern is one that compiles. */
export function writtenOut(pattern) {
  const groups = [];
  let total = 0;
  let last = 0;
  token.lastIndex = 0;
  while (token.lastIndex < pattern.length) {
    const at = token.lastIndex;
    const m = token.exec(pattern)?.groups;
    if (!m) throw new Error(`unknown to this count: ${pattern.slice(at)}`);
    if (m.times) {
      const numbers = (m.times.match(/\d+/g) ?? []).map(Number);
      total += last * (Math.max(1, ...numbers) - 1);
      continue;
    }
    if (m.open) {
      groups.push(total);
      total = 0;
      last = 0;
      continue;
    }
    if (m.close) {
      last = total + 1;
      total = groups.pop() + last;
      continue;
    }
    last = m.class ? Math.ceil(ranges(m.class) / 8) : 1;
    total += last;
  }
  return total;
}

// How many ranges of code points a class has: asked of JavaScript's own, code point by code point, unless there cannot be more than eight.
const known = new Map();
function ranges(source) {
  if (!source.includes('p') && source.length <= 10) return 1;
  if (!known.has(source)) {
    const re = compilePattern(source, false);
    let n = 0;
    let before = false;
    for (let c = 0; c <= 0x10ffff; c++) {
      const now = re.test(String.fromCodePoint(c));
      if (now && !before) n++;
      before = now;
    }
    known.set(source, Math.max(n, 1));
  }
  return known.get(source);
}
