// What a step does, in plain words with the real values.
//
// A sentence is a list of strings and of {value}, {code} and {step} objects, which other modules turn into elements.

const v = value => ({value});
const c = code => ({code});

// Joins values by commas and 'and'.
function list(values) {
    return values.flatMap((value, i) => [i === 0 ? '' : i === values.length - 1 ? ' and ' : ', ', v(value)]).slice(1);
}

// The place that a jump leads to, by its line: its own, or the one of the next instruction that has one.
function place(recording, step, offset) {
    const code = recording.code(step);
    for (let i = code.index.get(offset) ?? Infinity; i < code.instructions.length; i++) {
        if (code.instructions[i][6] !== null) {
            return `line ${code.instructions[i][6]} (offset ${offset})`;
        }
    }
    return `offset ${offset}`;
}

const OUTCOMES = {TRUE: ['true', 'false'], FALSE: ['false', 'true'], NONE: ['None', 'not None'],
                  NOT_NONE: ['not None', 'None']};

// What a conditional jump found its value to be; undefined for other instructions.
function outcome(name, jumped) {
    const [, wanted] = name.match(/IF_(NOT_NONE|NONE|TRUE|FALSE)/) || [];
    return wanted && OUTCOMES[wanted][jumped ? 0 : 1];
}

// How a program calls a function or class: by its name.
function callable(value) {
    const kinds = /^<(?:function|class|built-in function|built-in method|bound method) '?([^ ']+)'?>$/;
    const [, name] = value.text.match(kinds) || [];
    const [, method, type] = value.text.match(/^<method '(\w+)' of '(\w+)' objects>$/) || [];
    return name ? c(name.split('<locals>.').pop()) : method ? c(`${type}.${method}`) : v(value);
}

// What the stack has under the function of a call: an object whose method it is, or nothing.
function calledBy(stack, count) {
    const [first, second, ...rest] = stack.slice(-count - 2);
    return first && first.text === '<NULL>' ? [second, rest] : [first, [second, ...rest]];
}

function namedArguments(recording, step) {
    const before = recording.before[recording.before[step]];
    if (before >= 0 && recording.at(before).name === 'KW_NAMES') {
        return (recording.at(before).argument.match(/'[^']*'/g) || []).map(name => name.slice(1, -1));
    }
    return [];
}

function call(recording, step, stack) {
    const {argument} = recording.at(step);
    const [what, given] = calledBy(stack, Number(argument));
    const names = namedArguments(recording, step);
    const shown = given.flatMap((value, i) => {
        const name = names[i - given.length + names.length];
        return [i ? ', ' : '', name ? c(`${name}=`) : '', v(value)];
    });
    return ['calls ', callable(what), ...(given.length ? [' with ', ...shown] : [' without arguments'])];
}

const BEFORE = {                                        // what each instruction takes and does
    LOAD_CONST: (at, taken, pushed) => ['pushes the constant ', v(pushed[0])],
    LOAD_FAST: (at, taken, pushed) => ['pushes ', v(pushed[0]), ', the value of the local variable ', c(at.argument)],
    LOAD_DEREF: (at, taken, pushed) => ['pushes ', v(pushed[0]), ', the value of ', c(at.argument),
                                        ', a variable that several functions share'],
    LOAD_CLASSDEREF: (at, taken, pushed) => ['pushes ', v(pushed[0]), ', the value of ', c(at.argument)],
    LOAD_NAME: (at, taken, pushed) => ['pushes ', v(pushed[0]), ', the value of ', c(at.argument)],
    LOAD_GLOBAL: (at, taken, pushed) => pushed.length === 2
        ? ['pushes an empty slot, which a call needs, and ', v(pushed[1]), ', the value of the global name ',
           c(at.argument.replace('NULL + ', ''))]
        : ['pushes ', v(pushed[0]), ', the value of the global name ', c(at.argument)],
    LOAD_CLOSURE: at => ['pushes the cell of ', c(at.argument), ', so that an inner function can share the variable'],
    LOAD_ATTR: (at, taken, pushed) => ['takes ', v(taken[0]), ', pushes its attribute ', c(at.argument), ': ',
        v(pushed[0])],
    LOAD_METHOD: (at, taken) => ['takes ', v(taken[0]), ', looks up its method ', c(at.argument),
                                 ', and pushes what the call needs'],
    LOAD_BUILD_CLASS: () => ['pushes the built-in function that makes a class'],
    LOAD_ASSERTION_ERROR: () => ['pushes AssertionError'],
    STORE_FAST: (at, taken) => ['takes ', v(taken[0]), ' and stores it in the local variable ', c(at.argument)],
    STORE_NAME: (at, taken) => ['takes ', v(taken[0]), ' and stores it in ', c(at.argument)],
    STORE_GLOBAL: (at, taken) => ['takes ', v(taken[0]), ' and stores it in the global variable ', c(at.argument)],
    STORE_DEREF: (at, taken) => ['takes ', v(taken[0]), ' and stores it in ', c(at.argument),
                                 ', a variable that several functions share'],
    STORE_ATTR: (at, taken) => ['takes ', v(taken[0]), ' and ', v(taken[1]), ', and stores the first in the attribute ',
                                c(at.argument), ' of the second'],
    STORE_SUBSCR: (at, taken) => ['takes ', ...list(taken), ', and stores the first in the second, at ',
                                  c('['), v(taken[2]), c(']')],
    DELETE_FAST: at => ['deletes the local variable ', c(at.argument)],
    DELETE_NAME: at => ['deletes the variable ', c(at.argument)],
    DELETE_ATTR: (at, taken) => ['takes ', v(taken[0]), ' and deletes its attribute ', c(at.argument)],
    DELETE_GLOBAL: at => ['deletes the global variable ', c(at.argument)],
    DELETE_SUBSCR: (at, taken) => ['takes ', ...list(taken), ', and deletes the item ', c('['), v(taken[1]), c(']'),
                                   ' of the first'],
    BINARY_SUBSCR: (at, taken, pushed) => ['takes ', ...list(taken), ', pushes the item ', c('['), v(taken[1]), c(']'),
                                           ' of the first: ', v(pushed[0])],
    CONTAINS_OP: (at, taken, pushed) => ['takes ', ...list(taken), ', checks whether the first is ',
                                         at.argument === '1' ? 'missing from' : 'in', ' the second, pushes ',
                                         v(pushed[0])],
    IS_OP: (at, taken, pushed) => ['takes ', ...list(taken), ', checks whether they are ',
                                   at.argument === '1' ? 'different objects' : 'the same object',
                                   ', pushes ', v(pushed[0])],
    GET_ITER: (at, taken, pushed) => ['takes ', v(taken[0]),
                                      ', pushes an iterator over it, from which a loop gets one item at a time'],
    GET_AWAITABLE: (at, taken, pushed) => ['takes ', v(taken[0]), ', pushes what ', c('await'), ' waits for: ',
                                           v(pushed[0])],
    POP_TOP: (at, taken) => ['removes ', v(taken[0]), ' from the stack, because it is not needed'],
    SETUP_ANNOTATIONS: () => ['makes sure that there is a dictionary for annotations, ', c('__annotations__')],
    PUSH_NULL: () => ['pushes an empty slot, which a call needs below the function'],
    PRECALL: () => ['prepares the next instruction, which is a call'],
    KW_NAMES: at => ['sets the names of keyword arguments for the next call: ', c(at.argument)],
    NOP: () => ['does nothing: this line needs no other instruction'],
    RETURN_VALUE: (at, taken) => ['takes ', v(taken[0]), ' and returns it to the caller'],
    YIELD_VALUE: (at, taken) => ['takes ', v(taken[0]), ' and yields it to the caller: the function is suspended here'],
    MAKE_FUNCTION: (at, taken, pushed) => ['makes a function from its code, pushes ', v(pushed[0])],
    BUILD_STRING: (at, taken, pushed) => ['takes ', ...list(taken), ', joins them, pushes ', v(pushed[0])],
    FORMAT_VALUE: (at, taken, pushed) => ['takes ', v(taken[0]), ', formats it as text, pushes ', v(pushed[0])],
    UNPACK_SEQUENCE: (at, taken, pushed) => ['takes ', v(taken[0]), ', pushes its items: ',
        ...list([...pushed].reverse())],
    IMPORT_NAME: (at, taken, pushed) => ['imports ', c(at.argument), ', pushes ', v(pushed[0])],
    IMPORT_FROM: (at, taken, pushed) => ['looks up ', c(at.argument), ' in the module, pushes ',
                                         v(pushed[pushed.length - 1])],
    BEFORE_WITH: (at, taken, pushed) => ['takes ', v(taken[0]), ', pushes its method ', c('__exit__'),
                                         ' for later, calls its method ', c('__enter__'), ', pushes the result ',
                                         v(pushed[1])],
    WITH_EXCEPT_START: (at, taken, pushed) => ['calls ', c('__exit__'), ' with the exception, pushes its result, ',
                                               v(pushed[pushed.length - 1])],
    CHECK_EXC_MATCH: (at, taken, pushed) => ['takes ', v(taken[1]), ', checks whether the exception ', v(taken[0]),
                                             ' matches it, pushes ', v(pushed[1])],
    POP_EXCEPT: () => ['ends the handling of the exception'],
    RERAISE: () => ['raises the exception again'],
};
// For an exception, or the last step of a recording: there is no result.
const WITHOUT = {
    LOAD_CONST: () => ['pushes a constant'],
    LOAD_METHOD: BEFORE.LOAD_METHOD,
    GET_ITER: (at, taken) => ['asks ', v(taken[0]), ' for an iterator'],
    BINARY_SUBSCR: (at, taken) => ['takes ', ...list(taken), ', looks up the item ', c('['), v(taken[1]), c(']'),
                             ' of the first'],
    LOAD_ATTR: (at, taken) => ['takes ', v(taken[0]), ', looks up its attribute ', c(at.argument)],
    UNPACK_SEQUENCE: (at, taken) => ['takes ', v(taken[0]), ', in order to push its items'],
    BEFORE_WITH: (at, taken) => ['takes ', v(taken[0]), ' and calls its ', c('__enter__')],
    WITH_EXCEPT_START: () => ['calls ', c('__exit__'), ' with the exception'],
    FORMAT_VALUE: (at, taken) => ['takes ', v(taken[0]), ' and formats it as text'],
    IMPORT_NAME: at => ['imports ', c(at.argument)],
};
for (const name of ['LOAD_FAST', 'LOAD_NAME', 'LOAD_GLOBAL', 'LOAD_DEREF', 'LOAD_CLASSDEREF', 'IMPORT_FROM']) {
    WITHOUT[name] = at => ['looks up ', c(at.argument.replace('NULL + ', ''))];
}
for (const name of ['STORE_FAST', 'STORE_NAME', 'STORE_GLOBAL', 'STORE_DEREF', 'STORE_ATTR', 'STORE_SUBSCR', 'POP_TOP',
                    'PUSH_NULL', 'PRECALL', 'KW_NAMES', 'NOP', 'RETURN_VALUE', 'YIELD_VALUE', 'POP_EXCEPT', 'RERAISE',
                    'DELETE_FAST', 'DELETE_NAME', 'DELETE_GLOBAL', 'DELETE_SUBSCR', 'LOAD_CLOSURE',
                    'LOAD_BUILD_CLASS', 'SETUP_ANNOTATIONS']) {
    WITHOUT[name] = BEFORE[name];
}

function jump(recording, step, at, stack) {
    const after = recording.after[step];
    const jumped = after >= 0 && recording.at(after).offset === at.target;
    const where = place(recording, step, at.target);
    const top = stack[stack.length - 1];
    if (at.name.startsWith('JUMP_FORWARD') || at.name.startsWith('JUMP_BACKWARD')) {
        return [at.name.startsWith('JUMP_BACKWARD') ? 'jumps back to ' : 'jumps to ', where];
    }
    if (after < 0 || recording.raiseAt.has(step)) {
        return top ? ['checks ', v(top), ' to decide whether to jump'] : ['decides whether to jump'];
    }
    if (at.name === 'FOR_ITER') {
        const pushed = recording.pushed(step);
        return jumped
            ? ['asks ', v(top), ' for the next item: there is none, so the loop ends, and control goes on at ', where]
            : ['asks ', v(top), ' for the next item, pushes it: ', v(pushed && pushed[pushed.length - 1])];
    }
    if (at.name === 'SEND') {
        const sends = ['sends ', v(top), ' to ', v(stack[stack.length - 2])];
        if (enters(recording, step)) {
            return [...sends, '; the next step is in ', c(recording.title(recording.code(step + 1))),
                jumped ? `. It will end, and control will go on at ${where}` : '. It will yield a value'];
        }
        const pushed = recording.pushed(step);
        return [...sends, ...(jumped ? [`, which ends: control goes on at ${where}`]
            : [', pushes the value that this yields: ', v(pushed && pushed[pushed.length - 1])])];
    }
    const is = outcome(at.name, jumped);
    if (is === undefined) {
        return [jumped ? `goes on at ${where}` : 'does not jump'];
    }
    const keeps = at.name.endsWith('_OR_POP'), known = /^(True|False|None)$/.test(top.text);
    return [keeps ? 'checks ' : 'takes ', v(top), known ? ', so it ' : `, which is ${is}, so it `,
            ...(jumped ? [`jumps: control goes on at ${where}`, keeps ? ', and the value stays on the stack' : '']
                : [keeps ? 'does not jump, and removes the value' : 'does not jump'])];
}

const ADDS = {LIST_APPEND: 'list', SET_ADD: 'set', LIST_EXTEND: 'list', SET_UPDATE: 'set', DICT_UPDATE: 'dictionary',
              DICT_MERGE: 'dictionary', MAP_ADD: 'dictionary'};

function instruction(recording, step) {
    const at = recording.at(step), stack = recording.stack(step);
    const taken = stack.slice(stack.length - at.taken), top = stack[stack.length - 1];
    if (at.target !== null) {
        return jump(recording, step, at, stack);
    }
    const pushed = recording.pushed(step);
    switch (at.name) {
    case 'RESUME': {
        const before = recording.before[step];
        if (before < 0) {
            return ['starts ', ...subject(recording, step)];
        }
        return ['continues ', ...subject(recording, step), ' after the ', c(suspension(recording, step)),
                ' that suspended it'];
    }
    case 'CALL':
        return [...call(recording, step, stack), ...result(recording, step, pushed)];
    case 'CALL_FUNCTION_EX':
        return ['calls ', v(taken.find(one => one.text !== '<NULL>')), ' with unpacked arguments',
                ...result(recording, step, pushed)];
    case 'PUSH_EXC_INFO':
        return ['starts to handle the exception ', v(top),
                '. The stack now also holds the exception that was being handled before, or None'];
    case 'RAISE_VARARGS':
        return at.argument === '0' ? ['raises again the exception that is being handled']
            : ['takes ', v(taken[0]), recording.raiseAt.has(step) ? '' : ' and raises it'];
    case 'COPY': {
        const depth = Number(at.argument);
        return ['copies ', v(stack[stack.length - depth]), depth === 1 ? ', the top of the stack'
            : `, the ${['second', 'third', 'fourth'][depth - 2] || `${depth}th`} value from the top, to the top`];
    }
    case 'SWAP':
        return ['swaps ', v(top), ' and ', v(stack[stack.length - Number(at.argument)]), ' on the stack'];
    }
    if (at.name in ADDS) {
        const what = !/_(APPEND|ADD)$/.test(at.name) ? 'its items' : taken.length > 1 ? 'them' : 'it';
        return ['takes ', ...list(taken), ` and adds ${what} to the ${ADDS[at.name]} on the stack`];
    }
    const known = pushed ? BEFORE[at.name] : WITHOUT[at.name];
    if (known) {
        return known(at, taken, pushed);
    }
    const parts = [];
    if (taken.length) {
        parts.push('takes ', ...list(taken));
    }
    if (pushed && pushed.length) {
        parts.push(taken.length ? ', pushes ' : 'pushes ', ...list(pushed));
    }
    return parts.length ? parts : ['changes nothing that this page shows'];
}

// Whether the next step is the first in what this step calls.
function enters(recording, step) {
    const next = step + 1;
    return next < recording.length
        && recording.columns.visit_parent[recording.visit(next)] === recording.visit(step)
        && recording.first[recording.visit(next)] === next;
}

function result(recording, step, pushed) {
    const entered = enters(recording, step);
    const where = entered ? ['; the next step is in ', c(recording.title(recording.code(step + 1)))] : [];
    if (!pushed) {
        return where;
    }
    const value = v(pushed[pushed.length - 1]);
    return entered ? [...where, '. The result will be ', value] : [', pushes the result ', value];
}

// What runs: a function by its name, or a module.
function subject(recording, step) {
    const code = recording.code(step), title = recording.title(code);
    return title === 'main program' ? ['the main program'] : [c(title)];
}

// What suspends the code: in a coroutine, the yields are those of await.
function suspension(recording, step) {
    return recording.code(step).kind === 'coroutine' ? 'await' : 'yield';
}

// The sentences of a step: what it does, and what comes of an exception.
export function explain(recording, step) {
    const kind = recording.kind(step), function_ = subject(recording, step);
    if (kind) {
        const value = recording.result(step) || {text: 'an exception'};
        return [[[...function_, ' returns ', v(value)],
                 [...function_, ' yields ', v(value), ' and is suspended'],
                 [...function_, ' does not handle ', v(value), ', and ends'],
                 [...function_, ' continues, and ', v(value), ' is raised at its ',
                     c(suspension(recording, step))]][kind - 1]];
    }
    const {name: opname, argument} = recording.at(step);
    const sentences = [[c(argument && argument.length < 24 ? `${opname} ${argument}` : opname), ' ',
                        ...instruction(recording, step)]];
    const raise = recording.raiseAt.get(step);
    if (raise !== undefined) {
        const text = {text: recording.head.texts[recording.columns.raise_text[raise] - 1]};
        const after = recording.after[step];
        const origin = recording.columns.raise_origin[raise];
        const raises = origin === raise ? ['It raises ', v(text)]
            : ['What it calls raises ', v(text), ' at ', {step: recording.columns.raise_step[origin]}];
        sentences.push(after >= 0 && recording.handles(after)
            ? [...raises, `. Control goes to the handler at ${place(recording, step, recording.at(after).offset)}`]
            : [...raises, '. There is no handler here, so the exception ends ', ...function_]);
    }
    return sentences;
}

// The variables of a condition, with their values: x was 1 and y was 2.
function heldBy(recording, step, test) {
    const names = new Set(test.replace(/'[^']*'|"[^"]*"|\.\s*\w+/g, ' ').match(/[A-Za-z_]\w*(?!\w*\s*\()/g) || []);
    const frame = recording.frame(step), code = recording.code(step);
    const found = [...recording.globals(code.module), ...recording.bodyVariables(frame),
        ...recording.variables(frame)]
        .filter(one => names.has(one.name)).map(one => [one.name, recording.value(one.place, step)])
        .filter(([name, value]) => value && value.text !== name);
    return [...new Map(found)].slice(0, 3).flatMap(([name, value], i) => [i ? ' and ' : '', c(name), ' was ',
        v(value)]);
}

// Why control came to the line of this step: a jump, or its absence, or an exception.  Null if nothing special did it.
export function reason(recording, step) {
    for (;;) {
        const before = recording.before[step];
        if (before < 0 || recording.visit(before) !== recording.visit(step) || reasonOf(recording, step)) {
            return reasonOf(recording, step);
        }
        if (recording.line(before) !== recording.line(step)) {
            return recording.files[recording.code(step).file].elses.includes(recording.line(step))
                ? ['Control came here because the ', c('try'), ' block raised no exception'] : null;
        }
        step = before;
    }
}

function reasonOf(recording, step) {
    const before = recording.before[step];
    if (before < 0) {
        return null;
    }
    if (recording.handles(step)) {
        const origin = recording.exceptionAt(step), text = {text: recording.head.texts[
            recording.columns.raise_text[origin] - 1]};
        return origin < 0 ? ['Control came here because of an exception']
            : ['Control came here because ', {step: recording.columns.raise_step[origin]}, ' raised ', v(text)];
    }
    const at = recording.at(before), now = recording.at(step);
    if (at.target === null || recording.kind(before)) {
        return null;
    }
    const jumped = now.offset === at.target;
    if (at.name === 'FOR_ITER') {
        return jumped ? ['Control came here because there was no next item at ', {step: before}]
            : ['The loop goes on, because there was a next item at ', {step: before}];
    }
    const is = outcome(at.name, jumped);
    return is !== undefined ? ['Control came here because ', ...condition(recording, before, is)]
        : jumped ? ['Control came here by the jump at ', {step: before}] : null;
}

// What a conditional jump tested, and what it was.  The position of the jump itself is often the whole statement.
function condition(recording, step, is) {
    const stack = recording.stack(step), where = [' at ', {step}];
    let made = recording.before[step];                  // the step that made the value
    for (; made >= 0 && !recording.kind(made); made = recording.before[made]) {
        const {name} = recording.at(made);
        if (name === 'UNARY_NOT') {
            is = is === 'true' ? 'false' : 'true';
        } else if (name !== 'COPY' && name !== 'NOP' && !name.endsWith('_OR_POP')) {
            break;
        }
    }
    if (made < 0 || recording.kind(made)) {
        return ['the value ', v(stack[stack.length - 1]), ` was ${is}`, ...where];
    }
    const {name, argument, taken} = recording.at(made), source = recording.source(made), truth = is === 'true';
    switch (name) {
    case 'CHECK_EXC_MATCH':
        return [`the exception ${truth ? 'matches' : 'does not match'} `, c(recording.source(recording.before[made])
            || 'the type'), ...where];
    case 'CHECK_EG_MATCH':
        return [`the exception group has ${is === 'None' ? 'no exceptions' : 'exceptions'} that match `,
            c(recording.source(recording.before[made]) || 'the type'), ...where];
    case 'PREP_RERAISE_STAR':
        return [is === 'None' ? 'all exceptions of the group were handled'
            : 'some exceptions of the group were not handled', ...where];
    case 'WITH_EXCEPT_START':
        return [c('__exit__'), ' returned ', v(stack[stack.length - 1]), ...where];
    }
    const copied = recording.before[made];
    if (name === 'COMPARE_OP' && copied >= 0 && recording.at(copied).name === 'COPY') {
        // One comparison of several, as in a < b < c.
        const [left, right] = recording.stack(made).slice(-taken);
        return [v(left), ' ', c(argument), ' ', v(right), ` was ${is}`, ...where];
    }
    if (name.startsWith('MATCH_') || name === 'COMPARE_OP' && source && !source.includes(argument)
        || name === 'IS_OP' && source && !/\bis\b/.test(source)) {
        const matched = is === 'true' || is === 'not None';
        return [...(source ? ['the pattern ', c(source)] : ['the pattern']),
            !matched ? ' did not match' : name.startsWith('MATCH_') ? ' matched so far' : ' matched', ...where];
    }
    const values = heldBy(recording, step, source);
    if (values.length === 4 && values[1].code === source && /^(True|False|None)$/.test(values[3].value.text)) {
        return [...values, ...where];
    }
    return [...(source ? [c(source)] : ['the value ', v(stack[stack.length - 1])]), ` was ${is}`, ...where,
        ...(values.length ? [', where ', ...values] : [])];
}
