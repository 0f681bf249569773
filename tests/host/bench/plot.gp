# SPDX-License-Identifier: BSD-2-Clause
#
# gnuplot -e "data='FILE'; out='FILE.svg'" plot.gp: what bench_map has measured.  The axis of the
# entries is logarithmic, that of the steps is not: what grows with the logarithm is a line.
set terminal svg size 800,500 font "sans,12" background "#ffffff"
set output out
set title "Operations on a map, by its size"
set logscale x
set format x "10^{%L}"
set xlabel "entries"
set ylabel "steps: basic blocks of vm/ and its locks"
set yrange [0:*]
set grid
set key top left
plot for [i=2:7] data using 1:i with linespoints linewidth 2 title columnheader(i)
