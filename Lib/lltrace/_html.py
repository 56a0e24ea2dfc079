"""Formats counts as an HTML page: source and bytecode side by side, colored by count."""

import os
from html import escape
from math import log1p

from _bytecodeview import cut, instructions
from _ownmodules import __builtins__
from lltrace._code import argument, short_name
from lltrace._files import put, shown
from lltrace._report import plural, source_of

_STYLE = """
:root { color-scheme: light dark; --paper: #fff; --ink: #1f2328; --faint: #6e7781; --line: #d8dee4; --panel: #f6f8fa;
        --heat: 255 122 0; --never: #8250df; --link: #0969da; }
@media (prefers-color-scheme: dark) {
  :root { --paper: #0d1117; --ink: #e6edf3; --faint: #8b949e; --line: #30363d; --panel: #161b22;
          --heat: 255 140 40; --never: #d2a8ff; --link: #58a6ff; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 15px/1.5 system-ui, sans-serif; }
header, main, .functions { max-width: 1500px; margin: 0 auto; padding: 0 24px; }
header { padding-top: 28px; }
h1 { font-size: 22px; margin: 0; }
small { color: var(--faint); font-weight: 400; font-size: 15px; margin-left: 8px; }
h2 { font: 600 14px/1.5 ui-monospace, Menlo, Consolas, 'DejaVu Sans Mono', monospace; margin: 40px 0 8px;
     overflow-wrap: anywhere; }
p { margin: 6px 0; color: var(--faint); } a { color: var(--link); text-decoration: none; }
a:hover { text-decoration: underline; }
code, .rows, table { font: 12.5px/1.6 ui-monospace, Menlo, Consolas, 'DejaVu Sans Mono', monospace; }
.scale { display: inline-block; width: 130px; height: 10px; border-radius: 5px; vertical-align: baseline; margin: 0 6px;
         background: linear-gradient(90deg, rgb(var(--heat) / .04), rgb(var(--heat) / .6)); }
.functions table { border-collapse: collapse; margin: 14px 0 0; } .functions td { padding: 1px 18px 1px 0; }
.functions td.n { text-align: right; }
.bar { display: inline-block; height: 9px; border-radius: 2px; background: rgb(var(--heat) / .75); }
.never { color: var(--never); } summary { cursor: pointer; color: var(--faint); margin-top: 10px; }
#hide { margin: 14px 6px 0 max(24px, calc((100vw - 1500px) / 2 + 24px)); }
#hide:checked ~ main .code { display: none; } #hide:checked ~ main .row { grid-template-columns: 92px 52px 1fr; }
.rows { border: 1px solid var(--line); border-radius: 8px; overflow: hidden; }
.row { display: grid; grid-template-columns: 92px 52px minmax(0, 1fr) minmax(0, 1fr);
       border-top: 1px solid transparent; }
.row:has(.i) { border-top-color: var(--line); } .row:first-child { border-top: 0; }
.row > div { padding: 1px 10px; } .row:target { outline: 2px solid var(--link); outline-offset: -2px; }
.count, .number { text-align: right; color: var(--faint); user-select: none; } .count { color: var(--ink); }
.count { background: rgb(var(--heat) / calc(var(--h, 0) * .6)); }
.source { background: rgb(var(--heat) / calc(var(--h, 0) * .14)); }
.source { white-space: pre-wrap; overflow-wrap: anywhere; border-left: 1px solid var(--line); }
.row.cold .source, .row.cold .number { opacity: .62; } .row.cold .count { color: var(--never); }
.code { border-left: 1px solid var(--line); background: var(--panel); }
.i { display: grid; grid-template-columns: 4ch 25ch minmax(0, 1fr) auto; gap: 0 1.5ch; }
.i span:first-child { text-align: right; color: var(--faint); }
.i span { white-space: pre; overflow: hidden; text-overflow: ellipsis; }
.i b { font-weight: 400; text-align: right; min-width: 9ch; margin-right: -10px; padding: 0 10px;
       background: rgb(var(--heat) / calc(var(--h, 0) * .6)); }
.i.cold { opacity: .55; } .of { color: var(--faint); font-style: italic; }
@media (max-width: 900px) {
  .row, #hide:checked ~ main .row { grid-template-columns: 70px 40px minmax(0, 1fr); }
  .code { grid-column: 1 / -1; border-left: 0; }
  header, main, .functions { padding-left: 10px; padding-right: 10px; } }
@media print { .rows { overflow: visible; } #hide, #hide + label { display: none; } }
"""


def page(counts):
    """Return the page, which is self-contained."""
    found = counts.codes
    executed = {id(one): one.instructions for one in found}
    most = max((number for numbers in executed.values() for number in numbers.values()), default=1)
    total = sum(number for numbers in executed.values() for number in numbers.values())
    files = {}
    for one in found:
        files.setdefault(one.code.co_filename, []).append((one.code, executed[id(one)]))
    modules = {one.code.co_filename: one.module for one in found}
    title = _escape(_title(modules))
    never = counts.never_called()
    for code in never:
        files.setdefault(code.co_filename, []).append((code, {}))
    parts = ['<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">\n'
             '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
             f'<title>{title} - lltrace</title>\n<style>{_STYLE}</style></head>\n<body>\n',
             f'<header><h1>{title}<small>how often each instruction was executed</small></h1>\n',
             f'<p>{plural(total, "instruction")} in {plural(len(found), "function")} of {plural(len(files), "file")}',
             f'. Color is by the logarithm of the count: never<span class="scale"></span>{most:,} times.</p>'
             '</header>\n',
             _functions(found, executed, never, list(files), modules),
             '<input type="checkbox" id="hide"><label for="hide">source only</label>\n<main>\n']
    parts += [_file(number, filename, modules.get(filename, ''), codes, most)
              for number, (filename, codes) in enumerate(files.items())]
    return ''.join(parts) + '</main>\n</body></html>\n'


def _title(modules):
    """Return the name of the program or module, or those of several programs and packages."""
    def name(filename, module):
        if module in ('', '__main__'):
            folder, base = os.path.split(filename)
            return os.path.basename(folder) if base == '__main__.py' else base
        return module if len(modules) == 1 else module.partition('.')[0]
    names = dict.fromkeys(name(*item) for item in sorted(modules.items(), key=lambda item: item[1] != '__main__'))
    return cut(', '.join(names), 80) or 'nothing was executed'


def _heat(number, most):
    return f'--h:{log1p(number) / log1p(most):.3f}'


def _escape(text):
    # a file can contain lone surrogates, which UTF-8 cannot encode
    return escape(text.encode('utf-8', 'backslashreplace').decode())


def _functions(found, executed, never, files, modules):
    sums = sorted(((sum(executed[id(one)].values()), one.code) for one in found), key=lambda item: -item[0])
    most = max((number for number, code in sums), default=1) or 1
    rows = [f'<tr><td class="n">{number:,}</td><td><span class="bar" style="width:{max(180 * number / most, 1):.0f}px">'
            f'</span></td><td>{_link(code, files, modules)}</td></tr>\n' for number, code in sums]
    shown, more = rows[:12], rows[12:]
    parts = ['<div class="functions"><table>\n', *shown, '</table>\n']
    if more:
        parts += [f'<details><summary>{plural(len(more), "function")} more</summary><table>\n', *more,
                  '</table></details>\n']
    if never:
        parts += [f'<details><summary class="never">{plural(len(never), "function")} never called</summary><table>\n',
                  *(f'<tr><td>{_link(code, files, modules)}</td></tr>\n' for code in never), '</table></details>\n']
    return ''.join(parts) + '</div>\n'


def _link(code, files, modules):
    """Return a link to the code, called MODULE:FUNCTION if there are several files."""
    module = modules.get(code.co_filename, '')
    name = f'{module}:{code.co_qualname}' if len(files) > 1 else code.co_qualname
    return f'<a href="#f{files.index(code.co_filename)}-{code.co_firstlineno}">{_escape(name)}</a>'


def _file(number, filename, module, codes, most):
    lines = source_of(codes[0][0].co_filename)
    at = {}                                 # line: [(code, instruction at its offset, count)]
    for code, executed in codes:
        line = code.co_firstlineno
        for offset, instruction in instructions(code).items():
            # An instruction without a line is shown with the one before.
            line = instruction.positions.lineno or line
            at.setdefault(line, []).append((code, offset, instruction, executed.get(offset, 0)))
    first, last = min(at), max(at)
    if lines:
        first, last = 1, max(last, len(lines))
    rows = [_row(f'f{number}-{line}', line, lines[line - 1] if line <= len(lines) else '', at.get(line, ()), most)
            for line in range(first, last + 1) if lines or line in at]
    title = f'{_escape(shown(filename))}<small>{_escape(module)}</small>'
    return f'<h2>{title}</h2>\n<div class="rows">\n{"".join(rows)}</div>\n'


def _row(anchor, line, source, entries, most):
    high = max((entry[3] for entry in entries), default=0)
    body, last = [], entries[0][0] if entries else None
    for code, offset, instruction, count in entries:
        if code is not last:
            body.append(f'<div class="of">{_escape(short_name(code))}</div>')
            last = code
        style = f' style="{_heat(count, most)}"' if count else ''
        body.append(f'<div class="i{"" if count else " cold"}"><span>{offset}</span><span>{instruction.opname}</span>'
                    f'<span>{_escape(argument(instruction))}</span><b{style}>{count:,}</b></div>')
    cold = ' cold' if entries and not high else ''
    style = f' style="{_heat(high, most)}"' if high else ''
    shown = f'{high:,}' if high else 'never' if entries else ''
    return (f'<div class="row{cold}" id="{anchor}"{style}><div class="count">{shown}</div>'
            f'<div class="number">{line}</div>'
            f'<div class="source">{_escape(source)}</div><div class="code">{"".join(body)}</div></div>\n')


def write(counts, path):
    put(path, page(counts))
