package rules

var packagingTable = []rule[groupView]{}
