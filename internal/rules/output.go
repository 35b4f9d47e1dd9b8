package rules

var outputTable = []rule[outputView]{}
