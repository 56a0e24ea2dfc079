// The recording: decodes it, and answers what was where at a step.  recording.py describes the format.

export async function decode(element) {
    const text = atob(element.textContent);
    let bytes = new Uint8Array(text.length);
    for (let i = 0; i < text.length; i++) {
        bytes[i] = text.charCodeAt(i);
    }
    if (element.dataset.packed === 'deflate') {
        const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream('deflate'));
        bytes = new Uint8Array(await new Response(stream).arrayBuffer());
    }
    const size = new DataView(bytes.buffer).getUint32(0, true);
    const head = JSON.parse(new TextDecoder().decode(bytes.subarray(4, 4 + size)));
    const columns = {};
    let start = 4 + size;
    for (const [name, length] of head.columns) {
        columns[name] = new Int32Array(bytes.buffer, start, length);
        start += 4 * length;
    }
    return new Recording(head, columns);
}

// The index of the last of the sorted numbers[first..end) that is at most wanted, or first - 1.
export function lastAtMost(numbers, wanted, first = 0, end = numbers.length) {
    while (first < end) {
        const middle = (first + end) >> 1;
        if (numbers[middle] <= wanted) {
            first = middle + 1;
        } else {
            end = middle;
        }
    }
    return first - 1;
}

export class Recording {
    constructor(head, columns) {
        this.head = head;
        this.columns = columns;
        this.length = columns.at.length;
        this.codes = head.codes;
        this.files = head.files;
        for (const code of this.codes) {
            code.index = new Map(code.instructions.map(([offset], i) => [offset, i]));
            code.bottom = 1 + code.variables.length;
            code.executed = new Set();
            code.handlers = new Set(code.instructions.map(one => one[5]));
            // The RESUME of a module is in line 0.
            code.instructions.filter(one => one[6] === 0).forEach(one => { one[6] = null; });
        }
        this.sortChanges();
        this.sortNames();
        this.findRaises();
        this.followFrames();
        this.findSuspended();
    }

    // Places are numbered through: those of each frame, then the objects, then the variables known by name.
    // The changes of each place, in order of steps, are those from history[place] to history[place + 1].
    sortChanges() {
        const {places, references, end, visit, visit_frame: frames, frame_code: codes} = this.columns;
        this.base = new Int32Array(codes.length);
        let total = 0;
        codes.forEach((code, frame) => {
            this.base[frame] = total;
            total += this.codes[code].size;
        });
        this.objects = total;
        this.named = total + this.head.objects + 1;
        total = this.named + this.head.names.length;
        const where = new Int32Array(places.length);
        const history = this.history = new Int32Array(total + 2);
        for (let step = 0, change = 0; step < this.length; step++) {
            const base = this.base[frames[visit[step]]];
            for (; change < end[step]; change++) {
                const place = places[change];
                const found = place < 0 ? this.objects - place
                    : place >= this.head.named ? this.named + place - this.head.named : base + place;
                where[change] = found;
                history[found + 2]++;
            }
        }
        for (let place = 2; place < history.length; place++) {
            history[place] += history[place - 1];
        }
        this.when = new Int32Array(places.length);
        this.what = new Int32Array(places.length);
        for (let step = 0, change = 0; step < this.length; step++) {
            for (; change < end[step]; change++) {
                const at = history[where[change] + 1]++;
                this.when[at] = step;
                this.what[at] = references[change];
            }
        }
    }

    // For each step, its instruction and the steps before and after it in its frame; for each visit, its steps.
    followFrames() {
        const {at, visit, visit_frame: frames, visit_parent: parents, visit_thread: threads,
            frame_code: codes} = this.columns;
        const length = this.length, visits = frames.length;
        this.instruction = new Int32Array(length);      // its index in the code
        this.before = new Int32Array(length).fill(-1);
        this.after = new Int32Array(length).fill(-1);
        this.lineStart = new Uint8Array(length);
        this.first = new Int32Array(visits).fill(-1);
        this.last = new Int32Array(visits).fill(-1);
        this.level = new Int32Array(visits);
        this.caller = new Int32Array(visits).fill(-1);  // the step of the parent that called
        this.threadSteps = this.head.threads.map(() => []);
        this.handling = new Int32Array(length).fill(-1);
        const lastOfFrame = new Int32Array(codes.length).fill(-1);
        for (let v = 0; v < visits; v++) {
            this.level[v] = parents[v] < 0 ? 0 : this.level[parents[v]] + 1;
        }
        for (let step = 0; step < length; step++) {
            const v = visit[step], frame = frames[v], code = this.codes[codes[frame]];
            const offset = at[step] >> 3 << 1;
            const found = code.index.get(offset);
            this.instruction[step] = found === undefined
                ? lastAtMost(code.instructions.map(one => one[0]), offset) : found;
            code.executed.add(this.instruction[step]);
            const before = lastOfFrame[frame];
            this.before[step] = before;
            if (before >= 0) {
                this.after[before] = step;
                const name = this.kind(before) ? '' : code.instructions[this.instruction[before]][1];
                const handler = this.handling[before];
                this.handling[step] = name === 'PUSH_EXC_INFO' ? before
                    : name === 'POP_EXCEPT' && handler >= 0 ? this.handling[handler] : handler;
            }
            lastOfFrame[frame] = step;
            if (this.first[v] < 0) {
                this.first[v] = step;
                this.caller[v] = parents[v] < 0 ? -1 : lastOfFrame[frames[parents[v]]];
            }
            this.last[v] = step;
            this.threadSteps[threads[v]].push(step);
            const line = this.line(step);
            this.lineStart[step] = line !== null && !(at[step] & 7) && (before < 0 || this.first[v] === step
                || this.line(before) !== line || this.instruction[step] < this.instruction[before]) ? 1 : 0;
        }
    }

    // Of each time that a generator or coroutine is suspended, the step at which it yields, and the next step in it.
    findSuspended() {
        const {visit_frame: frames} = this.columns, found = [];
        const yieldOf = new Int32Array(this.columns.frame_code.length).fill(-1);
        frames.forEach((frame, v) => {
            if (this.first[v] < 0) {
                return;
            }
            if (yieldOf[frame] >= 0) {
                found.push([yieldOf[frame], this.first[v]]);
            }
            yieldOf[frame] = this.kind(this.last[v]) === 2 ? this.last[v] : -1;
        });
        yieldOf.forEach(step => step >= 0 && found.push([step, this.length]));
        found.sort(([one], [two]) => one - two);
        this.yields = Int32Array.from(found, ([step]) => step);
        this.resumes = Int32Array.from(found, ([, step]) => step);
        this.resumesSorted = this.resumes.slice().sort();
    }

    // The last steps of the generators and coroutines that are suspended, the latest first, and how many there are.
    suspendedAt(step, most) {
        let i = lastAtMost(this.yields, step - 1);
        const count = i + 1 - (lastAtMost(this.resumesSorted, step) + 1), found = [];
        for (; found.length < Math.min(count, most); i--) {
            if (this.resumes[i] > step) {
                found.push(this.yields[i]);
            }
        }
        return [found, count];
    }

    findRaises() {
        const {raise_step: steps, raise_origin: origins, raise_object: objects} = this.columns;
        this.raiseAt = new Map();                       // step: raise
        this.raisesOf = new Map();                      // object: its raises
        steps.forEach((step, raise) => {
            this.raiseAt.set(step, raise);
            if (!this.raisesOf.has(objects[raise])) {
                this.raisesOf.set(objects[raise], []);
            }
            this.raisesOf.get(objects[raise]).push(raise);
        });
        this.origins = Int32Array.from(new Set(origins)).map(raise => steps[raise]).sort();
    }

    // The entry of the raise that threw the exception that matters at a step: the one that is raised there, that led
    // to the step, or that is being handled.  -1 if there is none.
    exceptionAt(step) {
        const {visit_parent: parents, raise_origin: origins, raise_step: steps} = this.columns;
        const raise = this.raiseAt.get(step);
        if (raise !== undefined && steps[origins[raise]] <= step) {
            return origins[raise];
        }
        const leaves = this.kind(step) > 2;
        if (leaves || this.handles(step) || this.at(step).name === 'RERAISE') {
            return this.raiseOf(leaves ? this.result(step) : this.stack(step).pop(), step);
        }
        for (let at = step, visit = this.visit(step); at >= 0; at = this.caller[visit], visit = parents[visit]) {
            if (this.handling[at] >= 0) {
                return this.raiseOf(this.stack(this.handling[at]).pop(), step);
            }
        }
        return -1;
    }

    // The last raise of an exception up to a step.  An exception of which only the text is known was raised again.
    raiseOf(value, step) {
        const {raise_origin: origins, raise_step: steps, raise_text: texts} = this.columns;
        const found = value && value.object ? this.raisesOf.get(value.object) || []
            : value ? [...texts.keys()].filter(raise => texts[raise] === value.reference) : [];
        return found.reduce((best, raise) => steps[origins[raise]] <= step
            && (best < 0 || steps[origins[raise]] > steps[best]) ? origins[raise] : best, -1);
    }

    // Facts of a step

    code(step) {
        return this.codes[this.columns.frame_code[this.frame(step)]];
    }

    title(code) {
        const file = this.files[code.file].name;
        return code.kind !== 'module' ? code.name : file.startsWith('<') && file !== '<stdin>' ? `code in ${file}`
            : code.module === '__main__' ? 'main program' : `module ${code.module}`;
    }

    frame(step) {
        return this.columns.visit_frame[this.columns.visit[step]];
    }

    visit(step) {
        return this.columns.visit[step];
    }

    kind(step) {
        return this.columns.at[step] & 7;
    }

    thread(step) {
        return this.columns.visit_thread[this.columns.visit[step]];
    }

    depth(step) {
        return this.columns.depth[step];
    }

    at(step) {                                          // the instruction, as codes.py stores it
        const [offset, name, argument, taken, target, handler, line, column, endLine, endColumn] =
            this.code(step).instructions[this.instruction[step]];
        return {offset, name, argument, taken, target, handler, line, column, endLine, endColumn};
    }

    line(step) {
        return this.code(step).instructions[this.instruction[step]][6];
    }

    // The line of the step, or of the last step before it in its frame that has one, or where the code starts.
    nearLine(step) {
        const code = this.code(step);
        while (step >= 0) {
            const line = this.line(step);
            if (line !== null) {
                return line;
            }
            step = this.before[step];
        }
        return code.line;
    }

    source(step) {                                      // what the instruction was compiled from, if it is short
        const {line, column, endLine, endColumn} = this.at(step);
        const text = line === null ? undefined : this.files[this.code(step).file].lines[line - 1];
        return text === undefined || line !== endLine || column === null || endColumn - column > 60 ? ''
            : text.slice(column, endColumn);
    }

    // Whether an exception led to this step, which starts a handler.
    handles(step) {
        return this.kind(step) === 0 && this.code(step).handlers.has(this.at(step).offset);
    }

    // What places hold

    // The change of a place in force at a step, or -1.
    changeOf(place, step) {
        const first = this.history[place], found = lastAtMost(this.when, step, first, this.history[place + 1]);
        return found < first ? -1 : found;
    }

    reference(place, step) {
        const change = this.changeOf(place, step);
        return change < 0 ? 0 : this.what[change];
    }

    text(reference, step) {
        if (reference < 0) {
            // An object that a call creates is first seen at a later step.
            const place = this.objects - reference, change = this.changeOf(place, step);
            reference = this.what[change < 0 ? this.history[place] : change];
        }
        return reference > 0 ? this.head.texts[reference - 1] : '';
    }

    value(place, step) {
        const reference = this.reference(place, step);
        return reference === 0 ? null : {reference, object: reference < 0 ? -reference : 0,
            text: this.text(reference, step)};
    }

    stack(step) {
        const bottom = this.base[this.frame(step)] + this.code(step).bottom;
        return Array.from({length: this.depth(step)}, (_, i) => this.value(bottom + i, step));
    }

    result(step) {
        return this.value(this.base[this.frame(step)], step);
    }

    // What the instruction pushed: the values that are on the stack at the next step of the frame; null if unknown.
    pushed(step) {
        const after = this.after[step];
        if (after < 0 || this.kind(after) || this.raiseAt.has(step) || this.handles(after)) {
            return null;
        }
        return this.stack(after).slice(Math.max(this.depth(step) - this.at(step).taken, 0));
    }

    // How many values at the top of the stack the frame's last instruction pushed.
    justPushed(step) {
        const before = this.before[step];
        if (before < 0 || this.kind(step)) {
            return 0;
        }
        if (this.kind(before)) {                        // what send() sent, and then what was thrown
            return this.handles(step) || this.kind(before) === 2 ? 1 : 0;
        }
        if (this.handles(step)) {
            return 1;
        }
        return Math.max(this.depth(step) - Math.max(this.depth(before) - this.at(before).taken, 0), 0);
    }

    // Variables: [{name, place, kind}] of a frame, and of a module.

    variables(frame) {
        const code = this.codes[this.columns.frame_code[frame]];
        return code.variables.map((name, i) => ({
            name, place: this.base[frame] + 1 + i,
            kind: code.free.includes(name) ? 'outer' : code.cells.includes(name) ? 'shared' : 'local'}));
    }

    // Those that are known by name: of a module, or of the body of a class.
    sortNames() {
        this.ofModule = new Map();
        this.ofBody = new Map();                        // frame: its variables
        this.head.names.forEach(([name, owner, creator], i) => {
            const [map, key, kind] = owner < 0 ? [this.ofBody, creator, 'class']
                : [this.ofModule, this.head.modules[owner], 'global'];
            if (!map.has(key)) {
                map.set(key, []);
            }
            map.get(key).push({name, place: this.named + i, kind});
        });
    }

    globals(module) {
        return this.ofModule.get(module) || [];
    }

    // The variables of the body of a class, or of code that exec() runs with local variables of its own.
    bodyVariables(frame) {
        return this.ofBody.get(frame) || [];
    }
}
