"""What the programs print, as pictures of the documents: `make captures` makes all of them anew in the lab."""
