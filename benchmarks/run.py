"""Times bilevel beside its peers and writes docs/benchmarks.md; `suite.main` says how."""

if __name__ == "__main__":
    from suite.main import main

    main()
