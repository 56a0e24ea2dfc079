"""Loops over floats and lists: bodies that attract each other, a sieve, and a matrix."""


def advance(bodies, steps, dt):
    for _ in range(steps):
        for i, one in enumerate(bodies):
            x, y, z, vx, vy, vz, mass = one
            for j in range(i + 1, len(bodies)):
                other = bodies[j]
                dx = x - other[0]
                dy = y - other[1]
                dz = z - other[2]
                distance = dx * dx + dy * dy + dz * dz
                force = dt / (distance * distance ** 0.5)
                vx -= dx * other[6] * force
                vy -= dy * other[6] * force
                vz -= dz * other[6] * force
                other[3] += dx * mass * force
                other[4] += dy * mass * force
                other[5] += dz * mass * force
            one[3:6] = vx, vy, vz
        for body in bodies:
            body[0] += dt * body[3]
            body[1] += dt * body[4]
            body[2] += dt * body[5]


def primes(limit):
    is_prime = [True] * limit
    count = 0
    for n in range(2, limit):
        if is_prime[n]:
            count += 1
            multiple = n * n
            while multiple < limit:
                is_prime[multiple] = False
                multiple += n
    return count


def multiply(a, b):
    columns = list(zip(*b))
    return [[sum(x * y for x, y in zip(row, column)) % 1009
             for column in columns] for row in a]


def run():
    bodies = [[0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 39.5],
              [4.8, -1.2, -0.1, 0.6, 2.8, -0.02, 0.04],
              [8.3, 4.1, -0.4, -1.0, 1.8, 0.008, 0.01],
              [12.9, -15.1, -0.2, 1.1, 0.9, -0.01, 0.002],
              [15.4, -25.9, 0.2, 1.0, 0.6, -0.03, 0.002]]
    advance(bodies, 60, 0.01)
    count = primes(6000)
    matrix = [[(i * 7 + j * 3) % 11 for j in range(12)] for i in range(12)]
    for _ in range(3):
        matrix = multiply(matrix, matrix)
    return (round(bodies[1][0], 6), count, sum(map(sum, matrix)))


RESULT = (4.866152, 783, 78694)
