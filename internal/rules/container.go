package rules

var containerTable = []rule[outputView]{}
