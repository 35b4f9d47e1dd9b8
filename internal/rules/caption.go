package rules

var captionTable = []rule[outputView]{}
