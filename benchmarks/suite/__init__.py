"""Times bilevel beside its peers on the same problems, and checks that all of them solve these problems."""
