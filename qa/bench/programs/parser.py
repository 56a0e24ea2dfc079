"""Strings and decisions: a tokenizer, a recursive-descent parser and an evaluator of a small language."""

SOURCE = '''
# greatest common divisor and the length of a Collatz sequence
let a = 1071; let b = 462; let steps = 0;
while b > 0 { let t = b; b = a % b; a = t; steps = steps + 1; }
print a; print steps;
let n = 27; let length = 0;
while n != 1 and length < 60 {
    if n % 2 == 0 { n = n / 2; } else { n = 3 * n + 1; }
    length = length + 1;
}
print length;
if length >= 60 or n == 0 { print "long"; } else { print "short"; }
print (1 + 2) * (3 - 4) * -5 - 6 / (7 - 5);
'''

KEYWORDS = {'let', 'while', 'if', 'else', 'print', 'and', 'or', 'not'}


def tokenize(text):
    tokens = []
    i = 0
    line = 1
    size = len(text)
    while i < size:
        c = text[i]
        if c == '\n':
            line += 1
            i += 1
        elif c == ' ' or c == '\t':
            i += 1
        elif c == '#':
            while i < size and text[i] != '\n':
                i += 1
        elif 'a' <= c <= 'z' or 'A' <= c <= 'Z' or c == '_':
            start = i
            while i < size and (text[i].isalnum() or text[i] == '_'):
                i += 1
            word = text[start:i]
            tokens.append((word if word in KEYWORDS else 'name', word, line))
        elif '0' <= c <= '9':
            start = i
            while i < size and '0' <= text[i] <= '9':
                i += 1
            tokens.append(('number', int(text[start:i]), line))
        elif c == '"':
            start = i + 1
            i = text.index('"', start)
            tokens.append(('string', text[start:i], line))
            i += 1
        else:
            two = text[i:i + 2]
            if two in ('==', '!=', '<=', '>='):
                tokens.append((two, two, line))
                i += 2
            elif c in '+-*/%<>=(){};':
                tokens.append((c, c, line))
                i += 1
            else:
                raise SyntaxError(f'line {line}: unexpected {c!r}')
    tokens.append(('end', None, line))
    return tokens


class Parser:
    LEVELS = (('or',), ('and',), ('==', '!=', '<', '>', '<=', '>='),
              ('+', '-'), ('*', '/', '%'))

    def __init__(self, text):
        self.tokens = tokenize(text)
        self.position = 0

    def peek(self):
        return self.tokens[self.position][0]

    def take(self, kind=None):
        token = self.tokens[self.position]
        if kind is not None and token[0] != kind:
            raise SyntaxError(f'line {token[2]}: {kind} instead of {token[1]!r}')
        self.position += 1
        return token[1]

    def program(self):
        statements = []
        while self.peek() not in ('end', '}'):
            statements.append(self.statement())
        return statements

    def block(self):
        self.take('{')
        statements = self.program()
        self.take('}')
        return statements

    def statement(self):
        kind = self.peek()
        if kind == 'while':
            self.take()
            return ('while', self.expression(), self.block())
        if kind == 'if':
            self.take()
            condition = self.expression()
            then = self.block()
            otherwise = []
            if self.peek() == 'else':
                self.take()
                otherwise = self.block()
            return ('if', condition, then, otherwise)
        if kind == 'print':
            self.take()
            result = ('print', self.expression())
        else:
            if kind == 'let':
                self.take()
            name = self.take('name')
            self.take('=')
            result = ('let', name, self.expression())
        self.take(';')
        return result

    def expression(self, level=0):
        if level == len(self.LEVELS):
            return self.unary()
        left = self.expression(level + 1)
        while self.peek() in self.LEVELS[level]:
            operator = self.take()
            left = (operator, left, self.expression(level + 1))
        return left

    def unary(self):
        kind = self.peek()
        if kind == '-' or kind == 'not':
            self.take()
            return (kind, self.unary(), None)
        if kind == '(':
            self.take()
            inner = self.expression()
            self.take(')')
            return inner
        if kind in ('number', 'string'):
            return ('value', self.take(), None)
        return ('name', self.take('name'), None)


def evaluate(node, names):
    kind, left, right = node
    if kind == 'value':
        return left
    if kind == 'name':
        return names[left]
    if kind == 'and':
        return evaluate(left, names) and evaluate(right, names)
    if kind == 'or':
        return evaluate(left, names) or evaluate(right, names)
    if kind == 'not':
        return not evaluate(left, names)
    x = evaluate(left, names)
    if right is None:
        return -x
    y = evaluate(right, names)
    if kind == '+':
        return x + y
    if kind == '-':
        return x - y
    if kind == '*':
        return x * y
    if kind == '/':
        return x // y
    if kind == '%':
        return x % y
    if kind == '==':
        return x == y
    if kind == '!=':
        return x != y
    if kind == '<':
        return x < y
    if kind == '>':
        return x > y
    return x <= y if kind == '<=' else x >= y


def execute(statements, names, output):
    for statement in statements:
        match statement:
            case ('let', name, value):
                names[name] = evaluate(value, names)
            case ('print', value):
                output.append(evaluate(value, names))
            case ('if', condition, then, otherwise):
                execute(then if evaluate(condition, names) else otherwise,
                        names, output)
            case ('while', condition, body):
                while evaluate(condition, names):
                    execute(body, names, output)


def run():
    output = []
    for _ in range(5):
        execute(Parser(SOURCE).program(), {}, output)
    return output


RESULT = [21, 3, 60, 'long', 12] * 5
