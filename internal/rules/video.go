package rules

var videoTable = []rule[outputView]{}
