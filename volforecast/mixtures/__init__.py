"""Temporal mixtures: components, each with data of its own, take turns by a gate that reads the same data.

``settings`` says what a mixture is, ``inputs`` what it reads, ``parameters`` how it starts, ``components`` what it
computes, ``loss`` what it minimises, and ``training.train`` trains many seeds as one stacked model.

Sources: Darracq Paries et al. (2025), section 2.1; Guo, Bifet & Antulov-Fantulin (2019).
"""
