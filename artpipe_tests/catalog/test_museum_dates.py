"""Date texts as museums write them, each with the years that it means, checked by hand.

The first table has one text of every shape among 102,000 date texts of three museums (the paintings of Tate, the open
access data of the Carnegie Museum of Art and of the Cleveland Museum of Art), the second shapes of others.
"""

import re
from pathlib import Path

import pytest

from artpipe.catalog.dates import ParsedDate, parse_date

FLAGS = {"typo", "reversed", "second_date", "not_a_year", "ambiguous"}

# text | first year, last year, precision, flags; before Christ years are negative
OF_THREE_MUSEUMS = """
1993-5 | 1993 1995 range
c.1747-8 | 1747 1748 circa
exhibited 1933 | 1933 1933 exact
date not known | - - unknown
c.1830-40 | 1830 1840 circa
1817, exhibited 1817 | 1817 1817 exact second_date
?1871 | 1871 1871 circa
?c.1888 | 1888 1888 circa
1958-60 | 1958 1960 range
?exhibited 1803 | 1803 1803 circa
c.1799-1800 | 1799 1800 circa
?1890s | 1890 1899 circa
late 18th C | 1768 1800 century
?1851-92 | 1851 1892 circa
?c.1933-7 | 1933 1937 circa
1950 and c.1964 | 1950 1964 circa
?1830-1, exhibited 1831 | 1830 1831 circa second_date
c.1800-5 or ?c.1815 | 1800 1815 circa
1833-4, exhibited 1834 | 1833 1834 range second_date
1765 or 69 | 1765 1769 range
?c.1795-1800 | 1795 1800 circa
?engraved 1775 | 1775 1775 circa
1829-30, exhibited 1830 | 1829 1830 range second_date
?1956-7 | 1956 1957 circa
published 1864 | 1864 1864 exact
1927-8 and c.1948 | 1927 1948 circa
1834, ?exhibited 1834 | 1834 1834 exact second_date
?1829, exhibited 1830 | 1829 1829 circa second_date
?c.1885-90 | 1885 1890 circa
engraved 1790 | 1790 1790 exact
1809-1839, exhibited 1809, 1840 | 1809 1839 range second_date
1863-1873 | 1863 1873 range
c.1827-31/1843 | 1827 1843 circa
c.1802, ?exhibited 1805 | 1802 1802 circa second_date
? exhibited 1809 | 1809 1809 circa
exhibited 1806? | 1806 1806 circa
1828, reworked 1830 | 1828 1828 exact second_date
c.1800-10, reworked and exhibited 1847 | 1800 1810 circa second_date
c.1827, 1843 | 1827 1843 circa
c.1825-30? | 1825 1830 circa
?1812-14, exhibited 1815 | 1812 1814 circa second_date
c.1841 or c.1852 | 1841 1852 circa
?exhibited 1857 or 1866 | 1857 1866 circa
1921-c.1923 | 1921 1923 circa
1596 or after | 1596 1596 after
1822, restored 2011 | 1822 1822 exact second_date
1908, ?1930s | 1908 1939 circa
c.1924-6, c.1929-35 | 1924 1935 circa
1984-5,1992-3 | 1984 1993 range
1969/2010 | 1969 2010 range
c. 1973-4 | 1973 1974 circa
c.1827-31, 1843 | 1827 1843 circa
1921-c.23 | 1921 1923 circa
18th-19th century | 1701 1900 century
c. second half of the 19th century-early 20th century | 1851 1933 circa
not dated | - - unknown
c. mid- to late-19th century | 1834 1900 circa
1896-1908 (modeled), 1909-18 (cast) | 1896 1908 range second_date
c. 1810-1823/ 1864 | 1810 1864 circa
Qianlong period (1736-1795) | 1736 1795 century
206 BCE-220 CE | -206 220 range
January 1946 | 1946 1946 exact
Edo period (1603-1867), c. 1790-1830 | 1790 1830 circa
Northern Wei Dynasty, 386-534 | 386 534 century
4th-5th century | 301 500 century
c.1796-1799 | 1796 1799 circa
c. 1948-1949, Design Patent 155,354, 1949 | 1948 1949 circa
3/24/1929 | 1929 1929 exact
c. 16th century | 1501 1600 circa
12/25/1917 | 1917 1917 exact
1922 or earlier | 1922 1922 before
2009, printed 2015 | 2009 2009 exact second_date
November 22, 1971 | 1971 1971 exact
2000, designed 1998 | 1998 2000 range
1954? | 1954 1954 circa
Edo period (1603-1867), 19th century | 1801 1867 century
999 BCE-700 BCE | -999 -700 range
c. late 19th-early 20th century | 1868 1933 circa
c.1895 - 1910 | 1895 1910 circa
1953 (designed) c. 1977 (manufactured) | 1953 1953 exact second_date
January 1926-June 1927 | 1926 1927 range
1940s? | 1940 1949 circa
no date | - - unknown
10/8/1930 | 1930 1930 exact
c. 1935 - 1940 | 1935 1940 circa
c, 1886-1887 | 1886 1887 circa typo
c. 1650/after 1661 | 1650 1661 circa
c. 1920-c.1929 | 1920 1929 circa
10th -11th century | 901 1100 century
18th century, after 1713 | 1713 1800 century
c. 1920s-1930s | 1920 1939 circa
2005-2010, printed 2012 | 2005 2010 range second_date
c. 2500 BCE-2000 BCE | -2500 -2000 circa
designed 1944, manufactured 1999 | 1944 1944 exact second_date
1936, printed 1970s | 1936 1936 exact second_date
October 1, 1793 | 1793 1793 exact
late 18th-early 19th century | 1768 1833 century
before 1955-1956 | 1955 1956 before
19th-early 20th century | 1801 1933 century
1991 (produced 1987-91) | 1991 1991 exact second_date
designed, 1942-1943, manufactured 1946 | 1942 1943 range second_date
1-199 CE | 1 199 range
c. 1761 - early 1770s | 1761 1772 circa
1907-1908, printed posthumously | 1907 1908 range
Project: 1891-1895; Drawn January 25, 1894 | 1891 1895 range
Project:  1891-1895; Drawn December 20, 1893 | 1891 1895 range
c. 50-320 | - - unknown typo
c. last half of the 18th century | 1751 1800 circa
1867-1868 (patented) | 1867 1868 range
8/1959 | 1959 1959 exact
1945-1946 (this 46-49) | 1945 1946 range typo
Shang Period (c. 1600-1045 BCE), c. 1100 BCE | -1100 -1100 circa
1957 (designed) 1960-1971 (manufactured) | 1957 1957 exact second_date
1999 (manufactured) | 1999 1999 exact
1870-1880s | 1870 1889 decade
1970s-1980s | 1970 1989 decade
c. 1870-1880s | 1870 1889 circa
mid-1960s | 1963 1966 decade
Autumn 1916 | 1916 1916 exact
1991 designed | 1991 1991 exact
9th-10th century | 801 1000 century
3/6/1930 | 1930 1930 exact
late 19th - early 20th century | 1868 1933 century
early- to mid-18th century | 1701 1767 century
mid 19th century | 1834 1867 century
18th - 19th century | 1701 1900 century
1992, printed later | 1992 1992 exact
designed 1932, manufactured c. 1978 | 1932 1932 exact second_date
Project: 1902-1907; Drawn 1904 | 1902 1907 range
c. first half of the 19th century | 1801 1850 circa
designed c. 1950, manufactured c. 1963-1965 | 1950 1950 circa second_date
Meiji period (1868-1912) | 1868 1912 century
Tang Dynasty, 618-907 | 618 907 century
conceived 1881, cast 1919 | 1881 1881 exact second_date
c.1894 (designed)  c.1980 (manufactured) | 1894 1894 circa second_date
1878 (patented) | 1878 1878 exact
c. 1948, Design Patent 150,644, 1948 | 1948 1948 circa
1971, printed 2015-2016 | 1971 1971 exact second_date
no earlier than 1906 | 1906 1906 after
1929 - 1930 | 1929 1930 range
1658, later impression | 1658 1658 exact
after 1945, before 1957 | 1945 1957 range
1930s, printed 1980s | 1930 1939 decade second_date
c. 1660 UPH 1641-1655 | 1641 1660 circa
1848 (designed 1847) | 1848 1848 exact second_date
New Kingdom, 18th Dynasty, c. 1570-1320 BCE | -1570 -1320 circa
1976 (designed)  1978 (manufactured) | 1976 1976 exact second_date
1975, printed1985 | 1975 1975 exact second_date
c. 1967 (designed) 1968 (manufactured) | 1967 1967 circa second_date
May - June 1944 | 1944 1944 exact
possibly 1940s | 1940 1949 circa
Kushan Period (50-320 CE), 2nd-3rd century | 101 300 century
1933, 1937 | 1933 1937 range
c. late 19th century | 1868 1900 circa
1858/2 | 1858 1858 exact
June 9-11, 1953 | 1953 1953 exact
late Qing? | - - unknown
1300 BCE-700 BCE | -1300 -700 range
c. 299-200 BCE | -299 -200 circa
1916, printed posthumously | 1916 1916 exact
c. 1632-1641, printed after 1645 | 1632 1641 circa second_date
1653 (dated in the third state) | 1653 1653 exact
Western Han Dynasty, 202 BCE-8 CE | -202 8 century
1939, likely produced c. 1946 | 1939 1939 exact second_date
April 1860 or 1886 | 1860 1886 range
19th century in the style of 16th century | 1801 1900 century second_date
December 1949 - January 1950 | 1949 1950 range
1945-1946, manufactured 1946-1949 | 1945 1946 range second_date
Northern and Southern Dynasties, 420-589 | 420 589 century
June 19-20, 1964 | 1964 1964 exact
1925 (designed), c. 1979 (manufactured) | 1925 1925 exact second_date
1865 / 1887 | 1865 1887 range
1995 (February) | 1995 1995 exact
c. 1747 with later 18th century mounts | 1747 1747 circa second_date
c. 1000 BCE | -1000 -1000 circa
1882, cast later | 1882 1882 exact
c. 1747 with later 18th century mount | 1747 1747 circa second_date
c. 1941-1945, printed c. 2000 | 1941 1945 circa second_date
c. 380-535 | 380 535 circa
c. 1200-800 BCE | -1200 -800 circa
designed 1985, manufactured 1986-1988 | 1985 1985 exact second_date
Meiji period | - - unknown
480-256 BCE | -480 -256 range
1930s, printed c. 1976 | 1930 1939 decade second_date
c. last quarter of the 19th century | 1876 1900 circa
manufactured 1934-1961 | 1934 1961 range
c. 1885? | 1885 1885 circa
modeled c. 1878, cast after c.1915 | 1878 1878 circa second_date
1960, Design Patent 191,300, 1961 | 1960 1961 range
5th-4th century BCE | -500 -301 century
1984, manufactured 1985 | 1984 1984 exact second_date
mid- to late-17th century | 1634 1700 century
June 1941, printed 1982-83 | 1941 1941 exact second_date
first half of the 18th century | 1701 1750 century
1st century | 1 100 century
plate 1743, impression c.1750s | 1743 1743 exact second_date
Project: 1891-1895; this drawing no date. | 1891 1895 range
designed c. 1955-c. 1965 | 1955 1965 circa
3rd century | 201 300 century
380 BCE-342 BCE/330-305 BCE | -380 -305 range
modeled 1881, cast c. 1913 | 1881 1881 exact second_date
26th Dynasty, 664 BCE-525 BCE | -664 -525 century
c. 1926 -1940 | 1926 1940 circa
c. early 1900s | 1900 1932 circa
posthumous reprint | - - unknown
2008, printed in 2010 | 2008 2008 exact second_date
ca. 1930, printed 1979 | 1930 1930 circa second_date
1585, printed c. 1650 | 1585 1585 exact second_date
1990s, re-fired 2000 | 1990 1999 decade second_date
c. 1340-1197 BCE | -1340 -1197 circa
2nd-5th century | 101 500 century
1880 block, c. 1935 print | 1880 1880 exact second_date
plate: c. 1747-1749. impression: c.1750-1759 | 1747 1749 circa second_date
New Kingdom, 18th Dynasty or early 19th Dynasty, c. 1570-1200 | - - unknown reversed
designed 1939, manufactured before 1962 | 1939 1939 exact second_date
c. 1944, printed c. 2000 | 1944 1944 circa second_date
1910-1911, printed later | 1910 1911 range
1648, printed 19th century | 1648 1648 exact second_date
c. 800 BCE | -800 -800 circa
August-September 1941 | 1941 1941 exact
1934 (designed) 1941 (manufactured) | 1934 1934 exact second_date
c. 1930, printed 1979 | 1930 1930 circa second_date
Edo period (1603-1867) | 1603 1867 century
1948, memorial edition 1959 | 1948 1948 exact second_date
c.1640? | 1640 1640 circa
1983 (manufactured c. 1995) | 1983 1983 exact second_date
1932, December | 1932 1932 exact
19th century? | 1801 1900 circa
late 17th or early 18th century | 1668 1733 century
1977, re-edited 1979 | 1977 1977 exact second_date
1937, produced 1952 | 1937 1937 exact second_date
1912, printed c.1977 | 1912 1912 exact second_date
1984 (manufactured 1985) | 1984 1984 exact second_date
1827, published May 7, 1856 | 1827 1827 exact second_date
Project:  1902-1907' Drawn November 20, 1904 | 1902 1907 range
1949 (designed)  c. 1980 (manufactured) | 1949 1949 exact second_date
late Zhou Period (c. 475-221 BCE), 4th century BCE | -400 -301 century
c. 206 BCE - 220 CE | -206 220 circa
1957 (designed) 1960-71 (manufactured) | 1957 1957 exact second_date
ca. 1970s | 1970 1979 circa
mid to late 18th century | 1734 1800 century
1935, printed ca. 1971 | 1935 1935 exact second_date
10/1917 | 1917 1917 exact
Second Angkor Period (1002-1201), 12th century | 1101 1200 century
1945 (designed), 1946-1949 (manufactured) | 1945 1945 exact second_date
designed 1920,  manufactured c. 1978 | 1920 1920 exact second_date
designed 1936-1939, manufactured 1983 | 1936 1939 range second_date
probably 1626/1641 | 1626 1641 circa
18th or 19th century | 1701 1900 century
modeled c. 1896---1911, cast before 1932 | 1896 1911 circa second_date
1974, published 1975 | 1974 1974 exact second_date
designed 1986-88 manufactured 1989- | 1986 1988 range second_date
1927 (block), 1946 (print) | 1927 1927 exact second_date
1898, retouched c. 1912 | 1898 1898 exact second_date
Edo period (1603-1867), c. 1750 | 1750 1750 circa
Northern Song Dynasty, 960-1127 | 960 1127 century
mid 4th Dynasty, 2613-2498 BCE | -2613 -2498 century
1852/XII | 1852 1852 exact
later 18th century | 1751 1800 century
1930,  printed posthumously | 1930 1930 exact
1602-1605, published after 1635 | 1602 1605 range second_date
26th Dynasty (664-525 BCE) | -664 -525 century
c. 140 CE | 140 140 circa
c. 1-200 CE | 1 200 circa
1st-2nd century | 1 200 century
c. 1880-1881 and c. 1910 | 1880 1910 circa
c. 1122 BCE-256 BCE | -1122 -256 circa
October 1940, printed 1982-1983 | 1940 1940 exact second_date
June 1925, printed later | 1925 1925 exact
June 1966, printed c. 2000 | 1966 1966 exact second_date
1930, cast 1955 | 1930 1930 exact second_date
Han Dynasty, 202 BCE-220 CE | -202 220 century
1943 (reworked 1956) | 1943 1943 exact second_date
late 19th-mid 20th century | 1868 1967 century
1999-2000 (designed); 2000 | 1999 2000 range
2nd-3rd century | 101 300 century
1945 (manufactured 1953-1957) | 1945 1945 exact second_date
c. 18-19th century | 1701 1900 circa
block 1962/ impression 2008 | 1962 1962 exact second_date
26th Dynasty (664-525 BCE) c. 664 BCE-630 BCE | -664 -630 circa
c. 1932-c. 1935 | 1932 1935 circa
1656-c.1680 | 1656 1680 circa
late 16th-17th century | 1568 1700 century
c. early 17th century | 1601 1633 circa
1833/I | 1833 1833 exact
1967-1968/2009 | 1967 2009 range
1993 (designed); 2000 | 1993 2000 range
1968, printed before 1976 | 1968 1968 exact second_date
modeled c. 1910-1915, cast after 1917 | 1910 1915 circa second_date
c.1820-c.1860 | 1820 1860 circa
ca. 1965-ca. 1970 | 1965 1970 circa
Roman Period, 30 BCE- 325 CE | -30 325 century
last half of the 17th century | 1651 1700 century
c. 1640 (designed 1540) | 1640 1640 circa second_date
modelled 1884-1887 cast 1912 | 1884 1887 range second_date
Western Jin Dynasty, AD 265-316 | 265 316 century
early-mid 20th century | 1901 1967 century
1950, revised 1978 | 1950 1950 exact second_date
Liao Dynasty, 916-1125 | 916 1125 century
26th Dynasty or early 27th Dynasty, c. 525 BCE-404 BCE | -525 -404 circa
Edo period (1603-1867), 18th-19th century | 1701 1867 century
2700-2200 BCE | -2700 -2200 range
block 1945 | 1945 1945 exact
Yuan Dynasty, 1279 - 1368 | 1279 1368 century
2000; designed 1993 | 1993 2000 range
26th Dynasty, 664-525 BCE | -664 -525 century
9 BCE-8 BCE | -9 -8 range
designed 1993-95, manufactured 1995- present, 1999 | 1993 1999 range second_date
c. 1715-1725; c. 1700 | 1700 1725 circa
1861/XI | 1861 1861 exact
designed 1993, manufactured 1999-present, 1999 | 1993 1999 range second_date
1962 block/ 2007 print | 1962 1962 exact second_date
June 7-9, 1960 | 1960 1960 exact
1883-1886 cast 1899 | 1883 1886 range second_date
c. March 1944 | 1944 1944 circa
late 19th - 20th century | 1868 2000 century
c.1877-1879? | 1877 1879 circa
c.1890 (designed) c. 1980 (manufactured) | 1890 1890 circa second_date
ca. 1925, printed later | 1925 1925 circa
c. 1745 with later 18th or 19th-century French mount | 1745 1745 circa second_date
early 20th century? | 1901 1933 circa
3rd-6th century | 201 600 century
1768, retouched 1819 | 1768 1768 exact second_date
c. late 1640s | 1647 1649 circa
Shang Period (c. 1600-1045 BCE), 1300-1150 B.C.E. | -1300 -1150 range
Ming Dynasty, 1368-1644, 16th century | 1501 1600 century
c. 1761 - mid 1830s | 1761 1836 circa
1-199  CE | 1 199 range
designed 1945, manufactured 1945-1969 and 1989-present | 1945 1945 exact second_date
January 20,1784 | 1784 1784 exact
New Kingdom, 18th Dynasty (c. 1570-1320 BCE), 1450-1410 BCE | -1450 -1410 range
c. 900-1100 | 900 1100 circa
c. 1913-1914, published 1919 | 1913 1914 circa second_date
2000, project date: 1996 | 1996 2000 range
c. 16th-17th century | 1501 1700 circa
designed c. 1950, manufactured 1963-1965 | 1950 1950 circa second_date
possibly Western Han Dynasty, 202 BCE-8 CE | -202 8 century
Western Zhou Dynasty (1027-711 BCE), 10th century BCE | -1000 -901 century
1941-1942, manufactured c. 1943 | 1941 1942 range second_date
May 26 - 28,1969 | 1969 1969 exact
c. 1959 - c.1960 | 1959 1960 circa
August - September1970 | 1970 1970 exact
May 26-28,1959 | 1959 1959 exact
November, 1953 | 1953 1953 exact
June1959 | 1959 1959 exact
June 28 1941 | 1941 1941 exact
May  1958 | 1958 1958 exact
June 9-11,1953 | 1953 1953 exact
c. 194051955 | - - unknown typo
May 26 - 28, 1959 | 1959 1959 exact
September - October  1955 | 1955 1955 exact
c. 1944- 1945 | 1944 1945 circa
1965 -1966 | 1965 1966 range
c.1940 - c.1946 | 1940 1946 circa
November  - December 1966 | 1966 1966 exact
march 1958 | 1958 1958 exact
June-July, 1972 | 1972 1972 exact
June - July, 1949 | 1949 1949 exact
October 23 -25, 1959 | 1959 1959 exact
c. 1868-73 | 1868 1873 circa
400-375 BC | -400 -375 range
c. 1391-1353 BC | -1391 -1353 circa
"""

OF_OTHERS = """
3rd century B.C. | -300 -201 century
3rd century BC | -300 -201 century
ca. 500-450 B.C. | -500 -450 circa
100 B.C.-A.D. 50 | -100 50 range
27 B.C.-A.D. 14 | -27 14 range
50 BC-50 | - - unknown ambiguous
27 BC-476 | -27 476 range
1st century B.C.-A.D. | -100 100 century
1st century B.C.-1st century A.D. | -100 100 century
1st century B.C.-A.D. 1st century | -100 100 century
late 1st century BCE-early 1st century CE | -33 33 century
500BC | -500 -500 exact
AD50 | 50 50 exact
A.D. 79 | 79 79 exact
BC 500-450 | -500 -450 range
44 B.C. | -44 -44 exact
450-500 BC | -500 -450 range reversed
350-25 BC | -350 -25 range ambiguous
1479-25 B.C. | -1479 -1425 range
3rd millennium BC | -3000 -2001 century
520s BC | -529 -520 decade
c1596 | 1596 1596 circa
ca1596 | 1596 1596 circa
c.1596 | 1596 1596 circa
c 1596 | 1596 1596 circa
1889-06-21 | 1889 1889 exact
1889-06 | 1889 1906 range ambiguous
1889/06/21 | 1889 1889 exact
21.6.1889 | 1889 1889 exact
6/21/1889 | 1889 1889 exact
21/6/1889 | 1889 1889 exact
1889.06.21 | 1889 1889 exact
1889-06-21T00:00:00Z | 1889 1889 exact
06/1889 | 1889 1889 exact
16th c. | 1501 1600 century
16th c | 1501 1600 century
16th C. | 1501 1600 century
late 16th c. | 1568 1600 century
XVI century | 1501 1600 century
XVIe siècle | 1501 1600 century
XVIe siecle | 1501 1600 century
XIXth century | 1801 1900 century
s. XVI | 1501 1600 century
siglo XVI | 1501 1600 century
s. XVI-XVII | 1501 1700 century
XV-XVI century | 1401 1600 century
XV-XVIe siècle | 1401 1600 century
sec. XVI | 1501 1600 century
16. Jh. | 1501 1600 century
17. Jahrhundert | 1601 1700 century
late 15th-early 16th cent. | 1468 1533 century
late 15th-early 16th century | 1468 1533 century
2nd quarter 17th century | 1626 1650 century
second quarter of the 17th century | 1626 1650 century
C18 | 1701 1800 century
18C | 1701 1800 century
C18th | 1701 1800 century
early C19 | 1801 1833 century
Edo period (1615-1868) | 1615 1868 century
Edo period (1615-1868), 19th century | 1801 1868 century
Qianlong period, 1736-95 | 1736 1795 century
Qianlong period (1736-95) | 1736 1795 century
Qing dynasty (1644-1911), Qianlong mark and period (1736-95) | 1736 1795 century
Dynasty 18, reign of Thutmose III, ca. 1479-1425 B.C. | -1479 -1425 circa
18th Dynasty, 1550-1295 BC | -1550 -1295 century
Meiji 20 (1887) | 1887 1887 exact
1887 (Meiji 20) | 1887 1887 exact
Meiji 20 | - - unknown not_a_year
reign of Louis XV, 1750 | 1750 1750 exact
A.H. 920/A.D. 1514-15 | 1514 1515 range
A.H. 920 | - - unknown not_a_year
dated A.H. 1099/ A.D. 1687-88 | 1687 1688 range
1099 AH/1688 AD | 1688 1688 exact
AH 1250 (1834-35) | 1834 1835 range
920 AH | - - unknown not_a_year
1850s? | 1850 1859 circa
1850s (?) | 1850 1859 circa
before 1700 | 1700 1700 before
19th-20th century | 1801 2000 century
possibly 1630 | 1630 1630 circa
dated 1643 | 1643 1643 exact
published 1895 | 1895 1895 exact
1912, printed later | 1912 1912 exact
1912, cast 1960 | 1912 1912 exact second_date
1920- | 1920 1920 after
1920-present | 1920 1920 after
1920 - ongoing | 1920 1920 after
1933-? | 1933 1933 after
since 1989 | 1989 1989 after
Arabic 1234/5 | 1234 1235 range
No. 1234 | - - unknown not_a_year
edition of 500, 1998 | 1998 1998 exact
the year 1650 | 1650 1650 exact
1650 and 5 others | 1650 1650 exact typo
1001 BC-1 BC | -1001 -1 range
no. 1234, 1650 | 1650 1650 exact
plate 1550 | - - unknown not_a_year
inv. 1550 | - - unknown not_a_year
1912.45 | - - unknown not_a_year
1912.45.3 | - - unknown not_a_year
T07799 | - - unknown typo
1,250 | - - unknown not_a_year
1200 mm | - - unknown not_a_year
1500 BP | - - unknown not_a_year
-500 | - - unknown ambiguous
-1920 | - - unknown ambiguous
1920 or earlier | 1920 1920 before
1920 or later | 1920 1920 after
not after 1650 | 1650 1650 before
no later than 1650 | 1650 1650 before
by 1650 | 1650 1650 before
by Rembrandt, 1650 | 1650 1650 exact
pre-1650 | 1650 1650 before
1650+ | 1650 1650 after
between 1650 and 1660 | 1650 1660 range
from 1650 to 1660 | 1650 1660 range
from 1650 until 1660 | 1650 1660 range
1501-1600 | 1501 1600 range
1700s | 1700 1709 decade
early 1700s | 1700 1732 decade
mid-1700s | 1733 1766 decade
turn of the 20th century | 1891 1910 century
first decade of the 20th century | 1901 1910 century
17th century, second half | 1651 1700 century
17th century (second half) | 1651 1700 century
17th century, 2nd quarter | 1626 1650 century
second half 18th century | 1751 1800 century
1500-1550 (early 16th century) | 1500 1550 range
19th century (1850-60) | 1850 1860 range
1838 (1862) | 1838 1838 exact second_date
1650 or 60 | 1650 1660 range
1650/60 | 1650 1660 range
1743/4 | 1743 1744 range
c. 200 BC-AD 200 | -200 200 circa
c. 2nd-3rd century AD | 101 300 circa
A.D. 2nd century | 101 200 century
A.D. 1st-2nd century | 1 200 century
2nd century A.D. | 101 200 century
mid-2nd century B.C. | -167 -134 century
second half of the 4th century B.C. | -350 -301 century
early 5th-late 4th century BC | -500 -301 century
5th-4th century BC | -500 -301 century
5th/4th century BC | -500 -301 century
5th or 4th century BC | -500 -301 century
50-320 CE | 50 320 range
30 BCE- 325 CE | -30 325 range
202 BCE-8 CE | -202 8 range
21 juin 1889 | 1889 1889 exact typo
Juni 1889 | 1889 1889 exact
um 1650 | 1650 1650 circa
vers 1650 | 1650 1650 circa
4th century, 350 BC | -350 400 century ambiguous
12,000 BC | - - unknown not_a_year
2150 | - - unknown typo
1650 BC or AD 1650 | -1650 1650 range
signed and dated 1643 | 1643 1643 exact
dated '1643' | 1643 1643 exact
'89 | - - unknown typo
[1650] | 1650 1650 exact
[c. 1650?] | 1650 1650 circa
c. 1650? | 1650 1650 circa
1650?-1660 | 1650 1660 circa
?1650 | 1650 1650 circa
c. 1500 BC? | -1500 -1500 circa
16th century? | 1501 1600 circa
16th- | - - unknown not_a_year
10,000 years ago | - - unknown not_a_year
1650 (1 of 3) | 1650 1650 exact typo
1650, 3rd state | 1650 1650 exact
3rd state, 1650 | 1650 1650 exact
1/69-70 | - - unknown typo
December 1951 - January 1052 | - - unknown reversed
year 5 of Ramses II | - - unknown not_a_year
500 av. J.-C. | -500 -500 exact
500 v. Chr. | -500 -500 exact
1640 - 45 | 1640 1645 range
Ramesside, ca. 1295-1070 B.C. | -1295 -1070 circa
early 19th century, with later additions | 1801 1833 century
1880s, with 20th century frame | 1880 1889 decade second_date
18 May 1650 | 1650 1650 exact
May 18-20, 1650 | 1650 1650 exact
32 May 1650 | 1650 1650 exact
B.C. | - - unknown
5 B.C. | -5 -5 exact
1650/3rd state | 1650 1650 exact
1650, 2nd edition | 1650 1650 exact
18th century-early 19th | 1701 1833 century
15th-16th-17th century | 1401 1700 century
s. XV-XVI | 1401 1600 century
16th | - - unknown not_a_year
Louis XV style, 18th century | 1701 1800 century
1650 - Louis XV | 1650 1650 exact
15th century or first half 16th | 1401 1550 century
"""

OF_OTHER_LANGUAGES = """
Anfang 20. Jahrhundert | 1901 1933 century
1. Hälfte 17. Jh. | 1601 1650 century
Ende 18. Jh. | 1768 1800 century
um 1650/60 | 1650 1660 circa
vor 1888 | 1888 1888 before
nach 1888 | 1888 1888 after
Mitte des 16. Jahrhunderts | 1534 1567 century
2. Viertel 15. Jh. | 1426 1450 century
letztes Drittel des 17. Jahrhunderts | 1668 1700 century
frühes 16. Jh. | 1501 1533 century
zwischen 1650 und 1660 | 1650 1660 range
1650er Jahre | 1650 1659 decade
Anfang der 1650er Jahre | 1650 1652 decade
vor ca. 1700 | 1700 1700 before
Ende 15./Anfang 16. Jh. | 1468 1533 century
17./18. Jahrhundert | 1601 1800 century
3. Jh. v. Chr. | -300 -201 century
début XXe siècle | 1901 1933 century
fin du XVIIIe siècle | 1768 1800 century
milieu du XVIe siècle | 1534 1567 century
première moitié du XVIIe siècle | 1601 1650 century
2e moitié XVIIe siècle | 1651 1700 century
1er quart du 17e siècle | 1601 1625 century
fin XIXe-début XXe siècle | 1868 1933 century
vers 1650 | 1650 1650 circa
avant 1888 | 1888 1888 before
après 1888 | 1888 1888 after
entre 1650 et 1660 | 1650 1660 range
seconda metà del XV secolo | 1451 1500 century
inizio del XVI secolo | 1501 1533 century
fine XVIII secolo | 1768 1800 century
metà del XVI secolo | 1534 1567 century
prima metà sec. XVII | 1601 1650 century
ultimo quarto del XV secolo | 1476 1500 century
1650 ca. | 1650 1650 circa
1650 circa | 1650 1650 circa
prima del 1888 | 1888 1888 before
dopo il 1888 | 1888 1888 after
principios del siglo XX | 1901 1933 century
finales del siglo XVIII | 1768 1800 century
mediados del siglo XVI | 1534 1567 century
segunda mitad del siglo XVII | 1651 1700 century
primer tercio del siglo XVI | 1501 1533 century
hacia 1650 | 1650 1650 circa
antes de 1888 | 1888 1888 before
después de 1888 | 1888 1888 after
eind 17e eeuw | 1668 1700 century
begin 18de eeuw | 1701 1733 century
eerste helft van de 17e eeuw | 1601 1650 century
tweede kwart 16e eeuw | 1526 1550 century
17e eeuw | 1601 1700 century
omstreeks 1650 | 1650 1650 circa
vóór 1888 | 1888 1888 before
voor 1888 | 1888 1888 before
na 1888 | 1888 1888 after
tussen 1650 en 1660 | 1650 1660 range
Vorarlberg 1888 | 1888 1888 exact
1888, nach Rembrandt | 1888 1888 exact
fine 1888 | 1888 1888 exact
XX secolo | 1901 2000 century
siglo XVII | 1601 1700 century
"""


def _rows(table: str) -> list[tuple[str, ParsedDate]]:
    rows: list[tuple[str, ParsedDate]] = []
    for line in filter(None, table.splitlines()):
        text, meaning = line.split(" | ")
        first, last, precision, *flags = meaning.split()
        years = (None, None) if first == "-" else (int(first), int(last))
        rows.append((text, ParsedDate(*years, precision, tuple(flags))))
    return rows


ROWS = _rows(OF_THREE_MUSEUMS + OF_OTHERS + OF_OTHER_LANGUAGES)


@pytest.mark.parametrize(("text", "expected"), ROWS, ids=[text for text, _ in ROWS])
def test_a_museums_date_text_means_its_years(text: str, expected: ParsedDate):
    assert parse_date(text) == expected


def test_every_length_of_dash_and_every_case_mean_the_same():
    for text, expected in ROWS:
        for dash in "\u2010\u2013\u2014":
            assert parse_date(text.replace("-", dash)) == expected
        assert parse_date(text.upper()) == parse_date(text.lower()) == expected


def test_the_table_has_every_precision_and_flag():
    assert len(ROWS) >= 500
    assert {expected.precision for _, expected in ROWS} == {
        *("exact", "range", "circa", "decade", "century", "before", "after", "unknown")
    }
    assert {flag for _, expected in ROWS for flag in expected.flags} == FLAGS


PAGE = (Path(__file__).parents[2] / "docs" / "dates.md").read_text(encoding="utf-8")


def _documented(heading: str, column: int) -> list[tuple[list[str], list[str]]]:
    """Of each row of a table of the page on dates, the examples and the words in code of a column."""
    section = PAGE.split(f"## {heading}")[1].split("\n## ")[0]
    rows = [line.split("|") for line in section.splitlines() if line.startswith("|")][2:]
    return [(re.findall("`([^`]+)`", row[2]), re.findall("`([^`]+)`", row[column])) for row in rows]


def test_the_examples_of_the_page_on_dates_are_read_as_it_says():
    rows = _documented("What is read", 4)
    assert len(rows) > 15
    for examples, precisions in rows:
        for text in examples:
            parsed = parse_date(text)
            assert parsed.flags == (), text
            assert not precisions or parsed.precision in precisions, text


def test_the_examples_of_the_page_on_dates_have_the_flags_that_it_says():
    rows = _documented("What is flagged", 1)
    assert {flag for _, (flag,) in rows} == {*FLAGS, "outside_life"}
    for examples, (flag,) in rows:
        for text in examples:
            assert flag in parse_date(text).flags, text
