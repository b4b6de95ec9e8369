/** The same trees as `binary-trees 18` of src/rt/benches/heap.rs; prints the shortest of some rounds, in seconds. */
final class Trees {
    static final int DEPTH = 18, DEPTH_MIN = 4, ROUNDS = 7;

    Trees left, right;

    static Trees tree(int depth) {
        Trees node = new Trees();
        if (depth > 0) {
            node.left = tree(depth - 1);
            node.right = tree(depth - 1);
        }
        return node;
    }

    static long count(Trees node) {
        return node.left == null ? 1 : 1 + count(node.left) + count(node.right);
    }

    static long program() {
        long made = count(tree(DEPTH + 1));
        Trees longLived = tree(DEPTH);
        for (int depth = DEPTH_MIN; depth <= DEPTH; depth += 2) {
            for (int trees = 1 << (DEPTH - depth + DEPTH_MIN); trees > 0; trees--) made += count(tree(depth));
        }
        return made + count(longLived);
    }

    public static void main(String[] args) {
        double best = Double.MAX_VALUE;
        for (int round = 0; round < ROUNDS; round++) {
            long begin = System.nanoTime();
            if (program() == 0) throw new AssertionError();
            best = Math.min(best, (System.nanoTime() - begin) / 1e9);
        }
        System.out.printf("%.3f%n", best);
    }
}
