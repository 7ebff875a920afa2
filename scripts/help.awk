# Lists the Makefile's targets. `##@ Heading` starts a group; `target: ## text  [variables]` is one of its lines.
BEGIN {
    print "make TARGET [VARIABLE=value ...]"
    print "STACK=default (TensorFlow 2.21) or addons (TensorFlow 2.15 with tensorflow-addons) goes with every target."
    print "A value may hold blanks, quotes, $ and anything else: it is passed on as it is. ARGS, BEAM_ARGS, RUNS and TESTS"
    print "are lists, split at blanks."
}
/^##@ / { print "\n" substr($0, 5) }
/^[a-z-]+:.*## / {
    target = $0
    sub(/:.*/, "", target)
    text = $0
    sub(/^.*## /, "", text)
    variables = ""
    if (match(text, /  \[/)) {
        variables = substr(text, RSTART + 2)
        text = substr(text, 1, RSTART - 1)
    }
    printf "  %-12s %s\n", target, text
    if (variables != "") printf "  %-12s %s\n", "", variables
}
