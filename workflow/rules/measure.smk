# Only measures; tables and figures can be made later, on another machine, from the store.
rule measure:
    input:
        needed_sessions,
