package rules

var documentTable = []rule[*document]{}
