// The value stack as boxes, the top first.

import {element, valueElement} from './values.js';

export class Stack {
    constructor(box, recording) {
        Object.assign(this, {box, recording});
    }

    show(step, counts) {
        const recording = this.recording, values = recording.stack(step);
        const kind = recording.kind(step);
        const first = values.length - (kind ? 0 : recording.at(step).taken);
        const pushed = values.length - recording.justPushed(step);
        const boxes = values.map((value, i) => element(
            'li', {class: `box${i >= first ? ' taken-next' : ''}${i >= pushed ? ' pushed' : ''}`},
            valueElement(value, counts),
            element('span', {class: 'marks'},
                i >= pushed ? element('span', {class: 'mark new'}, 'new') : null, ' ',
                i >= first ? element('span', {class: 'mark next'}, 'taken next') : null)));
        boxes.reverse();
        this.box.replaceChildren(...(boxes.length ? boxes : [element('li', {class: 'note'}, 'The stack is empty.')]));
    }
}
