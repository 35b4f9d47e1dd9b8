package rules

var groupTable = []rule[groupView]{}
