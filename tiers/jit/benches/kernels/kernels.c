// The kernels, in the subset of C that translate.rs reads: types long, unsigned, double and pointers to them and to
// unsigned char; declarations with a value, assignments, while, if, return; no short circuits, no implicit conversions.

long sieve(long n, unsigned char* flags) {
    long count = 0;
    long i = 2;
    while (i < n) { flags[i] = 1; i = i + 1; }
    i = 2;
    while (i < n) {
        if (flags[i] != 0) {
            count = count + 1;
            long k = i + i;
            while (k < n) { flags[k] = 0; k = k + i; }
        }
        i = i + 1;
    }
    return count;
}

long fib(long n) {
    if (n < 2) { return n; }
    return fib(n - 1) + fib(n - 2);
}

// Bodies of seven numbers: place, speed, mass. Attraction falls with the fourth power, so that no root is needed.
long nbody(long steps, double* b) {
    long step = 0;
    while (step < steps) {
        long i = 0;
        while (i < 5) {
            long j = i + 1;
            while (j < 5) {
                double dx = b[i * 7] - b[j * 7];
                double dy = b[i * 7 + 1] - b[j * 7 + 1];
                double dz = b[i * 7 + 2] - b[j * 7 + 2];
                double d2 = dx * dx + dy * dy + dz * dz;
                double mag = 0.01 / (d2 * d2);
                double mj = b[j * 7 + 6] * mag;
                double mi = b[i * 7 + 6] * mag;
                b[i * 7 + 3] = b[i * 7 + 3] - dx * mj;
                b[i * 7 + 4] = b[i * 7 + 4] - dy * mj;
                b[i * 7 + 5] = b[i * 7 + 5] - dz * mj;
                b[j * 7 + 3] = b[j * 7 + 3] + dx * mi;
                b[j * 7 + 4] = b[j * 7 + 4] + dy * mi;
                b[j * 7 + 5] = b[j * 7 + 5] + dz * mi;
                j = j + 1;
            }
            i = i + 1;
        }
        i = 0;
        while (i < 5) {
            b[i * 7] = b[i * 7] + 0.01 * b[i * 7 + 3];
            b[i * 7 + 1] = b[i * 7 + 1] + 0.01 * b[i * 7 + 4];
            b[i * 7 + 2] = b[i * 7 + 2] + 0.01 * b[i * 7 + 5];
            i = i + 1;
        }
        step = step + 1;
    }
    return (long)(b[0] * 1000000.0);
}

long spectral(long n, double* u) {
    long round = 0;
    while (round < 4) {
        long i = 0;
        while (i < n) {
            double sum = 0.0;
            long j = 0;
            while (j < n) {
                long ij = i + j;
                sum = sum + u[j] / (double)((ij * (ij + 1)) / 2 + i + 1);
                j = j + 1;
            }
            u[n + i] = sum;
            i = i + 1;
        }
        i = 0;
        while (i < n) {
            double sum = 0.0;
            long j = 0;
            while (j < n) {
                long ij = i + j;
                sum = sum + u[n + j] / (double)((ij * (ij + 1)) / 2 + j + 1);
                j = j + 1;
            }
            u[i] = sum;
            i = i + 1;
        }
        round = round + 1;
    }
    return (long)(u[0] * 1000000.0);
}

long mandelbrot(long n) {
    long total = 0;
    long y = 0;
    while (y < n) {
        long x = 0;
        while (x < n) {
            double cr = 3.0 * (double)x / (double)n - 2.0;
            double ci = 2.0 * (double)y / (double)n - 1.0;
            double zr = 0.0;
            double zi = 0.0;
            double r2 = 0.0;
            double i2 = 0.0;
            long k = 0;
            while (k < 50) {
                zi = 2.0 * zr * zi + ci;
                zr = r2 - i2 + cr;
                r2 = zr * zr;
                i2 = zi * zi;
                if (r2 + i2 > 4.0) { total = total + k; k = 1000; }
                k = k + 1;
            }
            x = x + 1;
        }
        y = y + 1;
    }
    return total;
}

long matmul_f64(long n, double* a) {
    long i = 0;
    while (i < n) {
        long j = 0;
        while (j < n) {
            double sum = 0.0;
            long k = 0;
            while (k < n) {
                sum = sum + a[i * n + k] * a[n * n + k * n + j];
                k = k + 1;
            }
            a[2 * n * n + i * n + j] = sum;
            j = j + 1;
        }
        i = i + 1;
    }
    return (long)a[2 * n * n + n + 1];
}

long matmul_i64(long n, long* a) {
    long i = 0;
    while (i < n) {
        long j = 0;
        while (j < n) {
            long sum = 0;
            long k = 0;
            while (k < n) {
                sum = sum + a[i * n + k] * a[n * n + k * n + j];
                k = k + 1;
            }
            a[2 * n * n + i * n + j] = sum;
            j = j + 1;
        }
        i = i + 1;
    }
    return a[2 * n * n + n + 1];
}

long sort_range(long* a, long low, long high) {
    long i = low;
    long j = high;
    long pivot = a[(low + high) / 2];
    while (i <= j) {
        while (a[i] < pivot) { i = i + 1; }
        while (pivot < a[j]) { j = j - 1; }
        if (i <= j) {
            long t = a[i];
            a[i] = a[j];
            a[j] = t;
            i = i + 1;
            j = j - 1;
        }
    }
    if (low < j) { low = low + 0 * sort_range(a, low, j); }
    if (i < high) { low = low + 0 * sort_range(a, i, high); }
    return 0;
}

long quicksort(long n, long* a) {
    long seed = 42;
    long i = 0;
    while (i < n) {
        seed = (seed * 1103515245 + 12345) & 2147483647;
        a[i] = seed;
        i = i + 1;
    }
    long done = sort_range(a, 0, n - 1);
    return a[n / 2] + done;
}

long fannkuch(long n, long* a) {
    // a: permutation, its copy, counters, n numbers each
    long i = 0;
    while (i < n) { a[i] = i; i = i + 1; }
    long most = 0;
    long r = n;
    long going = 1;
    while (going != 0) {
        while (r != 1) { a[2 * n + r - 1] = r; r = r - 1; }
        i = 0;
        while (i < n) { a[n + i] = a[i]; i = i + 1; }
        long flips = 0;
        long k = a[n];
        while (k != 0) {
            long low = 0;
            long high = k;
            while (low < high) {
                long t = a[n + low];
                a[n + low] = a[n + high];
                a[n + high] = t;
                low = low + 1;
                high = high - 1;
            }
            flips = flips + 1;
            k = a[n];
        }
        if (flips > most) { most = flips; }
        long next = 1;
        while (next != 0) {
            if (r == n) {
                going = 0;
                next = 0;
            } else {
                long first = a[0];
                i = 0;
                while (i < r) { a[i] = a[i + 1]; i = i + 1; }
                a[r] = first;
                a[2 * n + r] = a[2 * n + r] - 1;
                if (a[2 * n + r] > 0) { next = 0; } else { r = r + 1; }
            }
        }
    }
    return most;
}

long sha1(long rounds, unsigned* w) {
    unsigned h0 = 1732584193;
    unsigned h1 = 4023233417;
    unsigned h2 = 2562383102;
    unsigned h3 = 271733878;
    unsigned h4 = 3285377520;
    long round = 0;
    while (round < rounds) {
        long t = 16;
        while (t < 80) {
            unsigned x = w[t - 3] ^ w[t - 8] ^ w[t - 14] ^ w[t - 16];
            w[t] = (x << 1) | (x >> 31);
            t = t + 1;
        }
        unsigned a = h0;
        unsigned b = h1;
        unsigned c = h2;
        unsigned d = h3;
        unsigned e = h4;
        t = 0;
        while (t < 80) {
            unsigned f = 0;
            if (t < 20) {
                f = ((b & c) | ((b ^ 4294967295) & d)) + 1518500249;
            } else {
                if (t < 40) {
                    f = (b ^ c ^ d) + 1859775393;
                } else {
                    if (t < 60) {
                        f = ((b & c) | (b & d) | (c & d)) + 2400959708;
                    } else {
                        f = (b ^ c ^ d) + 3395469782;
                    }
                }
            }
            unsigned s = ((a << 5) | (a >> 27)) + f + e + w[t];
            e = d;
            d = c;
            c = (b << 30) | (b >> 2);
            b = a;
            a = s;
            t = t + 1;
        }
        h0 = h0 + a;
        h1 = h1 + b;
        h2 = h2 + c;
        h3 = h3 + d;
        h4 = h4 + e;
        w[(round & 15)] = h0;
        round = round + 1;
    }
    return (long)(h0 ^ h1 ^ h2 ^ h3 ^ h4);
}

long loop(long n) {
    long i = 0;
    long x = 1;
    while (i < n) {
        x = x * 3 + (x >> 7);
        x = x ^ i;
        i = i + 1;
    }
    return x;
}
