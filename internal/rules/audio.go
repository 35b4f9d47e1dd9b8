package rules

var audioTable = []rule[outputView]{}
