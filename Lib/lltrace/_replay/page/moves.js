// Moves from a step to another.  Each returns a step, or -1 if there is none.

import {lastAtMost} from './recording.js';

function find(recording, step, direction, matches) {
    for (let i = step + direction; i >= 0 && i < recording.length; i += direction) {
        if (matches(i)) {
            return i;
        }
    }
    return -1;
}

export const MOVES = {
    instruction: (recording, step, direction) => find(recording, step, direction, () => true),
    line: (recording, step, direction) => find(recording, step, direction, i => recording.lineStart[i]
        || recording.kind(i) === 3),
    call: (recording, step, direction) => find(recording, step, direction,
        i => recording.first[recording.visit(i)] === i),
    return: (recording, step, direction) => find(recording, step, direction,
        i => recording.kind(i) >= 1 && recording.kind(i) <= 3),
    exception: (recording, step, direction) => {
        const at = direction > 0 ? lastAtMost(recording.origins, step) + 1 : lastAtMost(recording.origins, step - 1);
        return at >= 0 && at < recording.origins.length ? recording.origins[at] : -1;
    },
};

// The step at which a place next changes what it holds, or the text of the object that it holds changes.
export function toChange(recording, place, step, direction) {
    const textAt = i => {
        const value = recording.value(place, i);
        return value && `${value.reference} ${value.text}`;
    };
    // Only the changes of the place itself, and those of the objects that it holds, can matter.
    const steps = new Set();
    for (let i = recording.history[place]; i < recording.history[place + 1]; i++) {
        steps.add(recording.when[i]);
        if (recording.what[i] < 0) {
            const object = recording.objects - recording.what[i];
            for (let j = recording.history[object]; j < recording.history[object + 1]; j++) {
                steps.add(recording.when[j]);
            }
        }
    }
    const sorted = [...steps].sort((one, two) => (one - two) * direction);
    for (const i of sorted) {
        if ((i - step) * direction > 0 && textAt(i) !== textAt(i - 1)) {
            return i;
        }
    }
    return -1;
}

// Where the exception that matters at this step was raised; from there, the exception that was being handled.
export function toCause(recording, step) {
    const {raise_step: steps, raise_origin: origins, raise_cause: causes} = recording.columns;
    const raise = recording.exceptionAt(step);
    if (raise < 0 || steps[raise] !== step) {
        return raise < 0 ? -1 : steps[raise];
    }
    return causes[raise] < 0 ? -1 : steps[origins[causes[raise]]];
}

// The next execution of an instruction, or of a line of a file, after a step; the first one if there is none after it.
function around(recording, step, matches) {
    for (let i = 1; i <= recording.length; i++) {
        const at = (step + i) % recording.length;
        if (matches(at)) {
            return at;
        }
    }
    return -1;
}

export function toInstruction(recording, step, code, index) {
    return around(recording, step, i => recording.instruction[i] === index && !recording.kind(i)
        && recording.code(i) === code);
}

export function toLine(recording, step, file, line) {
    return around(recording, step, i => recording.lineStart[i] && recording.line(i) === line
        && recording.code(i).file === file);
}
