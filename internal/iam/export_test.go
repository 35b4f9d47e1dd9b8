package iam

// What tests from outside of the package see of it.

func AllKeys() []Key { return keys }

func AllActions(vendor string) []string {
	var out []string
	for _, a := range services[vendor].actions {
		out = append(out, a.name)
	}
	return out
}

func LintCodes() []string {
	out := make([]string, len(lintRules))
	for i, r := range lintRules {
		out[i] = r.code
	}
	return out
}

func LineOf(p *Policy, path string) int { return p.layout().line(path) }

var Nearest = nearest
