// What the program has printed so far.

import {element} from './values.js';

export class Printed {
    constructor(box, recording) {
        Object.assign(this, {box, recording});
        this.shown = -1;
    }

    show(step) {
        const recording = this.recording, printed = recording.head.printed;
        // What is printed after the last step belongs to it.
        const last = step === recording.length - 1;
        let count = 0;
        while (count < printed.length && (last || printed[count][0] <= step)) {
            count++;
        }
        if (count === this.shown) {
            return;
        }
        this.shown = count;
        this.box.replaceChildren(...printed.slice(0, count).map(([when, stream, text]) => element(
            'span', {class: `${stream === 2 ? 'error' : ''}${when === step && step ? ' new' : ''}`}, text)));
        if (!count) {
            this.box.append(element('span', {class: 'note'}, 'Nothing yet.'));
        }
        this.grown = true;
    }

    settle() {
        if (this.grown) {
            this.grown = false;
            this.box.scrollTop = this.box.scrollHeight;
        }
    }
}
