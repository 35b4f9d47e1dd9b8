package rules

var inputTable = []rule[inputView]{}
