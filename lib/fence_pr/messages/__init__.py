"""Everything that people are told: for each code its sentence, and for failures and warnings what it means. One place.

The tables are dictionaries, code → (sentence, hint, meaning, cause, remedy), FAILURES and WARNINGS in each file, and
STEPS, code → sentence, of what is only logged or stands within another sentence:

sentence  what was asked and what came back. {field} is filled in, what stands in [square brackets] is left out where a
          field in it is empty
hint      what to do, said behind the sentence; "" only where what to do follows from the sentence, as for an option
meaning   for docs/messages.md: what it means
cause     for docs/messages.md: what it usually comes from
remedy    for docs/messages.md: what to do; "" if the hint says all

Start-up is part of fencing time: nothing here is imported until a sentence is made, and then only the tables up to the
one that has it. What is constant the interpreter loads at once, so no entry is an object of its own.
"""
